"""One session from plan to Record, in nox's process: environments, box, evidence, verdict."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from noxlib import box as boxes
from noxlib import coverage_config, environment, gates, inputs, launch, plan, session_environment, suites
from noxlib.dsn import ExternalServer
from noxlib.files import cache_folder, write_whole
from noxlib.machine_lock import machine_lock
from noxlib.migration_key import migration_key
from noxlib.model import (
    Binaries,
    BuiltEnvironment,
    Evidence,
    Platform,
    Postgres,
    Record,
    Service,
    SessionPlan,
    Work,
    from_json,
    to_json,
)
from noxlib.records import Run, State, portable
from noxlib.resources.binaries import find_binaries
from noxlib.resources.external_broker import brokers, close
from noxlib.resources.external_server import find_external
from noxlib.resources.redis_binaries import find_redis
from noxlib.suites import stress
from noxlib.verdict import summary

__all__ = ["RunOrder", "fingerprint", "live", "prepare", "read_evidence", "run_session", "store", "summary"]

TEARDOWN_SECONDS = 20.0
ORPHAN_SECONDS = 0.5
PARENT = os.getppid()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """What a front end asks for."""

    platform: Platform
    plan: SessionPlan
    root: Path  # services.toml's folder
    posargs: tuple[str, ...] = ()
    parallel: bool = False
    color: bool = False
    reuse: str = "auto"  # auto | never | always, as environment.Order has it
    say: Callable[[str], None] = print

    @property
    def service(self) -> Service:
        """The session's service."""
        return self.platform.services[self.plan.service]


def run_session(order: RunOrder) -> Record:
    """Run one session and return its record; on disk it is by then, without absolute paths.

    Raises NoxlibError for what keeps the suite from starting, KeyboardInterrupt after an orderly
    tear-down.
    """
    begun = time.monotonic()
    state = State.find(order.root)
    boxes.reap()
    work = prepare(order, state)
    with machine_lock(alone=order.plan.exclusive, say=order.say):
        run = state.new_run(order.plan.name)
        work = replace(work, run_folder=str(run.folder))
        _write_inputs(order, run)
        started = dt.datetime.now(dt.timezone.utc)
        interrupted = live(work)
    record = _judge(order, run, work, (started, time.monotonic() - begun))
    redactor = launch.Redactor(work.secrets)
    kept = portable(record, redactor=redactor, places={order.root: ".", run.folder: "<run>"})
    run.write_record(kept)
    state.add_to_history(kept)
    state.prune(order.plan.name)
    if interrupted:
        order.say(f"{order.plan.name}: interrupted; evidence in {os.path.relpath(run.folder)}")
        raise KeyboardInterrupt
    return portable(record, redactor=redactor, places={})


# --- before the box -------------------------------------------------------------------------


def prepare(order: RunOrder, state: State) -> Work:
    """Build and find, outside of the box, all that needs the network or takes long."""
    kind = boxes.choose()
    services = plan.started_services(order.platform, order.service, order.plan.type)
    external = _external(order, services)
    postgres = _postgres(order, services, external)
    redis = _redis(order, services)
    environments = {each.name: _environment(order, each) for each in services}
    names = [name for each in services for name in each.pass_env]
    return Work(
        plan=order.plan,
        platform=replace(order.platform, services={each.name: each for each in services}),
        root=str(order.root),
        run_folder="",
        state_folder=str(state.folder),
        box=kind,
        environments=environments,
        postgres=postgres,
        redis=redis,
        migration_keys=_migration_keys(order, state, services, environments),
        external={key: server for key, (server, _) in external.items()},
        tools=_tools(order, environments[order.plan.service]),
        posargs=order.posargs,
        parallel=order.parallel,
        color=order.color,
        secrets=(
            *session_environment.secrets(os.environ, names),
            *(secret for server, _ in external.values() for secret in server.secrets),
        ),
    )


def _external(order: RunOrder, services: tuple[Service, ...]) -> dict[str, tuple[ExternalServer, Binaries]]:
    """Find the servers that variables name, before anything is built or started."""
    found = {}
    for key, settings, place in _servers(order, services):
        # What an earlier run has kept is opened by a server of our own.
        opened = order.plan.type in plan.STANDING and order.posargs
        if settings.external and not opened and (named := find_external(settings, place, os.environ)):
            found[key] = named
    return found


def _postgres(
    order: RunOrder,
    services: tuple[Service, ...],
    external: Mapping[str, tuple[ExternalServer, Binaries]],
) -> dict[str, Binaries]:
    """Find binaries for every server before anything is built or started."""
    return {
        key: external[key][1]
        if key in external
        else find_binaries(settings, place, cache_folder(), order.say)
        for key, settings, place in _servers(order, services)
    }


def _servers(order: RunOrder, services: tuple[Service, ...]) -> Iterator[tuple[str, Postgres, str]]:
    """Yield each server that the session needs, and where services.toml speaks of it."""
    needed = plan.needs(order.service, order.plan.type)
    for each in services:
        if each is order.service and "postgres" not in needed:
            continue
        for settings in each.postgres:
            yield (
                f"{each.name}/{settings.name}",
                settings,
                f"services.toml: services.{each.name}.{settings.name}",
            )


def _migration_keys(
    order: RunOrder,
    state: State,
    services: tuple[Service, ...],
    environments: Mapping[str, BuiltEnvironment],
) -> dict[str, str]:
    """Return what the servers' databases depend on; inside the box the same key finds the template."""
    return {
        f"{each.name}/{settings.name}": migration_key(
            each,
            settings,
            order.platform,
            order.root,
            {"environment": environments[each.name].key, **_passed(each)},
            cache=_hashes(state),
        )
        for each in services
        for settings in each.postgres
    }


def _redis(order: RunOrder, services: tuple[Service, ...]) -> dict[str, Binaries]:
    needed = plan.needs(order.service, order.plan.type)
    return {
        f"{each.name}/redis": find_redis(
            each.redis, f"services.toml: services.{each.name}.redis", cache_folder(), order.say
        )
        for each in services
        if each.redis is not None and (each is not order.service or "redis" in needed)
    }


def _environment(order: RunOrder, service: Service) -> BuiltEnvironment:
    own = service is order.service
    return environment.build(
        environment.Order(
            service=service,
            folder=order.root / service.path,
            python=order.plan.python if own else (service.pythons[0] if service.pythons else ""),
            store=store(order.root),
            tools=suites.tools(service),
            requirements=plan.suite_settings(service, order.plan.type).requirements if own else (),
            reuse=order.reuse,
            say=order.say,
        )
    )


def _tools(order: RunOrder, built: BuiltEnvironment) -> dict[str, str]:
    """Return the commands that noxlib brings: locust, unless the service locks it itself."""
    if order.plan.type != "stress" or not stress.wants_locust(order.service, order.root):
        return {}
    if "locust" in built.packages:
        return {"locust": str(Path(built.path) / "bin" / "locust")}
    folder = environment.build_tool("locust", [stress.LOCUST], store(order.root), order.say)
    return {"locust": str(folder / "locust")}


def store(root: Path) -> Path:
    """Return the folder of environments: in .nox, which every nox project ignores already."""
    return root / ".nox" / "noxlib"


def _write_inputs(order: RunOrder, run: Run) -> None:
    write_whole(run.folder / "plan.json", json.dumps(to_json(order.plan), indent=2))
    coverage_config.write_rcfile(
        run.folder / "coverage" / "rcfile",
        order.service,
        order.root / order.service.path,
        run.folder / "coverage",
    )


# --- the box --------------------------------------------------------------------------------


def live(work: Work) -> bool:
    """Run the supervisor in its box; return whether we were interrupted meanwhile."""
    settings = plan.suite_settings(work.platform.services[work.plan.service], work.plan.type)
    supervisor = [sys.executable, "-m", "noxlib.supervisor"]
    command = boxes.command(work.box, supervisor, closed=settings.network == "closed")
    package = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment = session_environment.supervisor(os.environ, work.platform.services.values())
    with brokers(work) as (own, channels):
        setting = launch.Setting(
            stdin=launch.PIPE,
            env={**environment, "PYTHONPATH": path},
            cwd=Path(work.root),
            pass_fds=tuple(channels),
        )
        child = launch.start(command, setting)
        close(channels)
        return _lived(child, own)


def _lived(child: launch.Child, work: Work) -> bool:
    """Give the supervisor its work, and wait for its end; return whether we were interrupted meanwhile."""
    interrupted = False
    try:
        child.stdin.write(json.dumps(to_json(work)).encode() + b"\n")
        child.stdin.flush()
        _wait(child, orphaned=_orphaned if work.parallel else lambda: False)
    except KeyboardInterrupt:
        interrupted = True
    except BrokenPipeError:
        child.wait()
    # Closing the lifeline orders the tear-down, which a second ^C doesn't shorten.
    with _deaf(), contextlib.suppress(OSError):
        child.stdin.close()
        if child.wait(TEARDOWN_SECONDS) is None:
            child.stop(grace=0.0)
    return interrupted


def _wait(child: launch.Child, *, orphaned: Callable[[], bool]) -> None:
    """Wait for the supervisor's end; under `nox -j` a nox that was killed can't interrupt us itself."""
    while child.wait(ORPHAN_SECONDS) is None:
        if orphaned():
            raise KeyboardInterrupt


def _orphaned() -> bool:
    return os.getppid() != PARENT


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Take no further interrupt until the box is gone."""
    import signal  # noqa: PLC0415  the name is used for nothing else here

    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in old:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


# --- after the box --------------------------------------------------------------------------


def _judge(order: RunOrder, run: Run, work: Work, time_spent: tuple[dt.datetime, float]) -> Record:
    started, seconds = time_spent
    evidence = read_evidence(run, work)
    case = gates.Case(
        plan=order.plan,
        service=order.service,
        settings=order.service.types[order.plan.type],
        folder=run.folder,
        service_folder=order.root / order.service.path,
        evidence=evidence,
        today=started.date(),
        posargs=order.posargs,
        pytest=not order.service.types[order.plan.type].command and "locust" not in work.tools,
    )
    built = work.environments[order.plan.service]
    return Record(
        run_id=run.run_id,
        plan=order.plan,
        verdict=gates.judge(case),
        evidence=evidence,
        fingerprint=fingerprint(order.platform, order.service, order.root, built.version),
        started=started.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        environment=built.key,
        python=built.version,
        counts=gates.counts(case),
        coverage=gates.measured_percent(case),
        partial=gates.narrowed(case),
    )


def fingerprint(platform: Platform, service: Service, root: Path, python: str) -> str:
    """Return the hash of all that a verdict about this service depends on, in this checkout."""
    extra = {"python": python, **_passed(service)}
    return inputs.fingerprint(service, platform, root, extra, cache=_hashes(State.find(root))).digest


def _passed(service: Service) -> dict[str, str]:
    """Return the passed variables, hashed: a fingerprint is kept, and a token must not be."""
    return {
        f"pass_env {name}": hashlib.sha256(os.environ.get(name, "").encode()).hexdigest()
        for name in service.pass_env
    }


def _hashes(state: State) -> Path:
    return state.cache / "hashes" / state.checkout


def read_evidence(run: Run, work: Work) -> Evidence:
    """Read what the supervisor left; when it was killed, say that."""
    path = run.folder / "evidence.json"
    if path.is_file():
        return from_json(Evidence, json.loads(path.read_text(encoding="utf-8")))
    return Evidence(
        suite_exit=None,
        suite_seconds=0.0,
        ready_seconds=0.0,
        interrupted="the supervisor ended before its session did (killed, or out of memory)",
        box=work.box,
    )
