"""One suite inside its box: the session file, the command, the time limit, the log."""

from __future__ import annotations

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
from noxlib.redaction import Redactor
from noxlib.resources.stack import Stack
from noxlib.suites.suite import Suite, is_measured

GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL for a suite that ran out of time


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
                sink=_show,
                redactor=stack.redactor,
            ),
        )
        try:
            end.code = child.wait(max(0.0, seconds))
            if end.code is None:
                end.interrupted = f"timeout: the session ran longer than {settings.timeout:g} s"
        finally:
            # Also a suite that ended well may have left children of its own.
            code = child.stop(GRACE_SECONDS)
            end.code = code if end.code is None else end.code
            end.seconds = time.monotonic() - begun
            stack.events.write("suite.ended", code=end.code, interrupted=end.interrupted)
            redact_files(Path(work.run_folder), stack.redactor)


def redact_files(folder: Path, redactor: Redactor) -> None:
    """Redact what the suite wrote by itself: junit.xml, outcomes.json, figures."""
    for path in (*folder.glob("*.json"), *folder.glob("*.xml")):
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        redacted = redactor.text(text)
        if redacted != text:
            write_whole(path, redacted)


def _show(chunk: bytes) -> None:
    sys.stdout.buffer.write(chunk)
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
