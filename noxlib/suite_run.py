"""One suite inside its box: the session file, the command, the time limit, the log."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from noxlib import coverage_config, launch, session_environment, suites
from noxlib.box import Box
from noxlib.files import write_whole
from noxlib.model import Service, SessionFile, SuiteSettings, Work, to_json
from noxlib.protocol import STACKS, STACKS_SIGNAL
from noxlib.redaction import Redactor
from noxlib.resources.stack import Stack
from noxlib.suites.suite import Suite, is_measured

GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL for a suite that ran out of time
STACKS_SECONDS = 0.3  # for its processes to write where they stand, which takes them a millisecond
SHOWN_CHARACTERS = 200  # of the command line of a process that was left running


@dataclass(slots=True, kw_only=True)
class SuiteEnd:
    """How the suite ended; filled while it runs, so that an interrupt loses nothing."""

    code: int | None = None
    seconds: float = 0.0
    interrupted: str = ""


def run_suite(work: Work, box: Box, stack: Stack, end: SuiteEnd, seconds: float) -> None:
    """Run the suite of a session whose resources are up, for `seconds` at most."""
    service = work.platform.services[work.plan.service]
    settings = service.types[work.plan.type]
    suite = _suite(work, box, stack, service)
    command = suites.command(suite)
    passed = session_environment.secrets(os.environ, service.pass_env)
    stack.redactor.add(
        form for secret in passed for form in (secret, escape(secret), json.dumps(secret)[1:-1])
    )
    stack.events.write("suite.started", command=command)
    begun = time.monotonic()
    with suites.around(suite, stack.pids):
        child = launch.start(
            command,
            launch.Setting(
                cwd=suite.folder,
                env=suite.environment,
                log=Path(work.run_folder) / "logs" / "suite.log",
                sink=Screen().show,
                redactor=stack.redactor,
            ),
        )
        try:
            end.code = child.wait(max(0.0, seconds))
            if end.code is None:
                end.interrupted = f"timeout: the session ran longer than {settings.timeout:g} s"
                _ask_for_stacks(child, Path(work.run_folder) / "logs")
        finally:
            # Also a suite that ended well may have left children of its own.
            left = left_behind(suite.environment["NOXLIB_SESSION"]) if end.code is not None else []
            code = child.stop(GRACE_SECONDS)
            end.code = code if end.code is None else end.code
            end.seconds = time.monotonic() - begun
            stack.events.write("suite.ended", code=end.code, interrupted=end.interrupted)
            _tidy(Path(work.run_folder), left)
            redact_files(Path(work.run_folder), stack.redactor)


def _ask_for_stacks(child: launch.Child, logs: Path) -> None:
    """Have the suite's Python processes write where they stand: those that have opened a file for it."""
    for pid in launch.descendants(child.pid) | {child.pid}:
        if (logs / STACKS.format(pid=pid)).is_file():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, STACKS_SIGNAL)
    time.sleep(STACKS_SECONDS)


def left_behind(session: str) -> list[str]:
    """Return the command lines of what a suite has left running, by the variable that it inherited.

    Orphans are the supervisor's children, whatever group they have put themselves into.
    """
    found = []
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            children = (thread / "children").read_text(encoding="ascii").split()
            found += [_command_line(pid, f"NOXLIB_SESSION={session}") for pid in children]
    return [each for each in found if each]


def _command_line(pid: str, mark: str) -> str:
    """Return a process' command line, shortened; "" when its environment hasn't the mark, or it is gone."""
    with contextlib.suppress(OSError):
        if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            return " ".join(words.split())[:SHOWN_CHARACTERS]
    return ""


def _tidy(folder: Path, left: list[str]) -> None:
    """Keep what was written about the suite's end, and no empty files."""
    for path in (folder / "logs").glob(STACKS.format(pid="*")):
        if not path.stat().st_size:
            path.unlink()
    if left:
        write_whole(folder / "left_behind.json", json.dumps(left))


def redact_files(folder: Path, redactor: Redactor) -> None:
    """Redact what the suite wrote by itself: junit.xml, outcomes.json, figures."""
    for path in (*folder.glob("*.json"), *folder.glob("progress.jsonl"), *folder.glob("*.xml")):
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        redacted = redactor.text(text)
        if redacted != text:
            write_whole(path, redacted)


class Screen:
    """Shows what the suite prints, and ends a line that the suite didn't come to the end of."""

    def __init__(self) -> None:
        """Nothing was shown yet."""
        self._last = b"\n"

    def show(self, chunk: bytes) -> None:
        """Pass on a piece; the last one is empty."""
        shown = chunk or b"\n"[: not self._last.endswith(b"\n")]
        self._last = shown or self._last
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()


def _suite(work: Work, box: Box, stack: Stack, service: Service) -> Suite:
    run_folder = Path(work.run_folder)
    settings = service.types[work.plan.type]
    rcfile = run_folder / "coverage" / "rcfile" if is_measured(service, work.plan.type) else None
    environment = {
        **stack.environment(service),
        **settings.env,
        "NOXLIB_SESSION": str(_session_file(work, box, stack, settings)),
    }
    if work.color:
        environment.setdefault("FORCE_COLOR", "1")
    if settings.command:
        junit = f"--junitxml={run_folder / 'junit.xml'}"
        environment["PYTEST_ADDOPTS"] = f"{environment.get('PYTEST_ADDOPTS', '')} {junit}".strip()
        if rcfile:
            environment |= {"COVERAGE_RCFILE": str(rcfile), **coverage_config.process_environment(rcfile)}
    return Suite(
        plan=work.plan,
        service=service,
        settings=settings,
        python=work.environments[service.name].python,
        root=Path(work.root),
        service_folder=Path(work.root, service.path),
        run_folder=run_folder,
        state_folder=Path(work.state_folder),
        rcfile=rcfile,
        environment=environment,
        leases=tuple(stack.leases),
        tools=work.tools,
        posargs=work.posargs,
        parallel=work.parallel,
    )


def _session_file(work: Work, box: Box, stack: Stack, settings: SuiteSettings) -> Path:
    assert stack.control is not None  # noqa: S101  the stack was started
    path = box.folder / "session.json"
    found = SessionFile(
        plan=work.plan,
        service_folder=str(Path(work.root, work.platform.services[work.plan.service].path)),
        run_folder=work.run_folder,
        examples_folder=str(Path(work.state_folder, "examples", work.plan.service)),
        control=str(stack.control.server_address),
        token=stack.control.token,
        box=work.box,
        network=settings.network,
        leases=tuple(stack.leases),
        settings=settings,
    )
    write_whole(path, json.dumps(to_json(found)), mode=0o600)
    return path
