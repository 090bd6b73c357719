"""The only module that imports nox: every session of the plan, and the coverage report."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import nox

from noxlib.errors import NoxlibError, RecordError, UsageError
from noxlib.listing import REPORT, Listing, read_listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from noxlib.model import Platform, SessionPlan
    from noxlib.run import RunOrder


def generate_sessions(services: str = "services.toml", *, noxfile: str | None = None) -> None:
    """Register one nox session for each service, test type and Python, and the coverage report.

    `services` is relative to the noxfile's folder, which is where the caller stands unless
    `noxfile` names it. A mistake in it is printed, without a traceback, and ends nox with the
    error's own exit code.
    """
    folder = Path(noxfile).resolve().parent if noxfile else _callers_folder()
    path = folder / services
    _interrupt_on_signals()
    try:
        listing = read_listing(path)
    except NoxlibError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    nox.options.default_venv_backend = "none"
    if nox.options.sessions is None and nox.options.tags is None:
        nox.options.sessions = []  # a bare `nox` lists instead of running everything
    for session in listing.sessions:
        _register(path, session)


def _callers_folder() -> Path:
    frame = sys._getframe(2)  # noqa: SLF001  the noxfile that called generate_sessions
    return Path(frame.f_globals.get("__file__", "noxfile.py")).resolve().parent


def _register(path: Path, session: Listing) -> None:
    def body(nox_session: nox.Session) -> None:
        if session.name == REPORT:
            _report(nox_session, path=path)
        elif session.standing:
            _stand(nox_session, path=path, name=session.name)
        else:
            _run(nox_session, path=path, name=session.name)

    body.__doc__ = session.description
    decorate = nox.session(
        name=session.name,
        python=False,
        venv_backend="none",
        tags=session.tags,
        allow_parallel=True if not session.exclusive else None,
    )
    decorate(body)


def _run(session: nox.Session, *, path: Path, name: str) -> None:
    from noxlib import config, run  # noqa: PLC0415  only a session that runs pays for it
    from noxlib.plan import sessions  # noqa: PLC0415

    try:
        record = run.run_session(_order(session, path, name, sessions))
    except (NoxlibError, OSError) as error:
        _fail(session, error, path)
    for line in run.summary(record):
        print(config.located(path, line), flush=True)
    if not record.verdict.passed:
        session.error(f"{name} failed; evidence in {_shown(path, record.run_id, name)}")


def _stand(session: nox.Session, *, path: Path, name: str) -> None:
    from noxlib.plan import standing  # noqa: PLC0415
    from noxlib.standing_run import run_standing  # noqa: PLC0415

    try:
        run_standing(_order(session, path, name, standing))
    except (NoxlibError, OSError) as error:
        _fail(session, error, path)


def _order(
    session: nox.Session, path: Path, name: str, plans: Callable[[Platform], tuple[SessionPlan, ...]]
) -> RunOrder:
    from noxlib import config, run, variables  # noqa: PLC0415
    from noxlib.records import State  # noqa: PLC0415

    variables.check(os.environ, session.warn)
    platform = config.load(path, State.find(path.parent).cache)
    plan = next(each for each in plans(platform) if each.name == name)
    config.refuse_absent(path, platform, plan, posargs=bool(session.posargs))
    return run.RunOrder(
        platform=platform,
        plan=replace(plan, python=forced, name=f"{name}-{forced}") if (forced := _forced(session)) else plan,
        root=path.parent,
        posargs=tuple(session.posargs),
        parallel=bool(getattr(session, "parallel", False)),
        color=_color(),
        reuse=_reuse(session),
        say=session.log,
    )


def _forced(session: nox.Session) -> str:
    """Return the version of nox's --force-python, "" without one. Raises UsageError for --extra-python."""
    if isinstance(session.python, str):
        return session.python
    config: Any = session._runner.global_config  # noqa: SLF001  nox offers no public way
    if config.extra_pythons:
        raise UsageError(
            f"--extra-python {' '.join(config.extra_pythons)}: a session's Pythons stand in services.toml",
            remedy="add it to `pythons` of the service, or use --force-python for this once",
        )
    return ""


def _fail(session: nox.Session, error: NoxlibError | OSError, path: Path) -> NoReturn:
    """End the session with one clear message; what the system refused is about a folder of ours."""
    from noxlib import config  # noqa: PLC0415

    if isinstance(error, OSError):
        error = RecordError(
            f"{error.filename or 'noxlib'}: {error.strerror or error}",
            remedy="free some space there, or make it yours; NOXLIB_CACHE, NOXLIB_STATE name others",
        )
    print(config.located(path, str(error)), file=sys.stderr, flush=True)
    session.error(f"{error.title}: exit code {error.exit_code}")


def _shown(path: Path, run_id: str, name: str) -> str:
    from noxlib.records import State  # noqa: PLC0415

    folder = State.find(path.parent).run_folder(name, run_id)
    return os.path.relpath(folder)


def _report(session: nox.Session, *, path: Path) -> None:
    from noxlib.coverage_session import report_lines  # noqa: PLC0415

    try:
        if forced := _forced(session):
            raise UsageError(
                f"coverage-report has no Python of its own: {forced} can't be forced on it",
                remedy="name the sessions that are meant, with -s",
            )
        passed, lines = report_lines(path, tuple(session.posargs))
    except (NoxlibError, OSError) as error:
        _fail(session, error, path)
    for line in lines:
        print(line, flush=True)
    if not passed:
        session.error("the coverage report failed")


def _reuse(session: nox.Session) -> str:
    """Translate nox's -r/-R/--reuse-venv: stamps reuse by themselves, -R never installs."""
    config: Any = session._runner.global_config  # noqa: SLF001  nox offers no public way
    if config.no_install:
        return "always"
    return "never" if config.reuse_venv == "never" else "auto"


def _color() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _interrupt_on_signals() -> None:
    """Make SIGTERM and SIGHUP interrupt nox as ^C does; an inherited "ignore" (nohup) is respected.

    nox itself would leave its running command alive.
    """

    def interrupt(number: int, _frame: object) -> None:
        for each in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)
