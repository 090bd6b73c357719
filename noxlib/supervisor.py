"""A box's first process: resources up, suite, resources down, evidence.

Its standard input is the lifeline: the first line is the Work, and its end, however it comes
(nox is done with us, was interrupted, or was killed), is the order to stop. A signal means the
same. The first order interrupts whatever is going on; the tear-down that follows isn't disturbed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from noxlib import box as boxes
from noxlib import launch, plan
from noxlib.errors import NoxlibError
from noxlib.files import write_whole
from noxlib.model import Evidence, SuiteSettings, Work, from_json, to_json
from noxlib.resources.stack import Stack
from noxlib.standing import stand
from noxlib.suite_run import SuiteEnd, run_suite

REAP_SECONDS = 0.5


class Stopped(BaseException):
    """Somebody ordered the end of the session; no `except Exception` may swallow it."""


class Lifeline:
    """Turn a signal, or the end of standard input, into one `Stopped` in the main thread."""

    def __init__(self) -> None:
        """Nothing has been ordered yet."""
        self.reason = ""
        self._deaf = False

    def listen(self) -> None:
        """Take signals from now on, and watch standard input for its end."""
        launch.restore_default_signals()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def limited(self, seconds: float, doing: Callable[[], str]) -> Iterator[None]:
        """Order the end of what takes longer; `doing` says what it was."""

        def late(number: int, frame: object) -> None:
            self.reason = self.reason or f"timeout: the session ran longer than {seconds:g} s, {doing()}"
            self._stop(number, frame)

        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def ignore(self) -> None:
        """Let the tear-down finish, whatever comes."""
        self._deaf = True

    def _watch(self) -> None:
        while os.read(0, 4096):
            pass
        if not self._deaf:
            self.reason = self.reason or "the process that ran nox is gone, or was interrupted"
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _stop(self, number: int, _frame: object) -> None:
        if not self._deaf:
            self._deaf = True
            self.reason = self.reason or f"signal {signal.Signals(number).name}"
            raise Stopped(self.reason)


def main() -> int:
    """Read the Work, live, leave evidence.json; exit 0 when that was written."""
    line = _first_line()
    if not line:
        return 1
    work = from_json(Work, json.loads(line))
    evidence = _live(work, Lifeline())
    write_whole(Path(work.run_folder) / "evidence.json", json.dumps(to_json(evidence), indent=2))
    return 0


def _first_line() -> bytes:
    """Read up to the first newline without buffering: what follows belongs to the lifeline."""
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(0, 65536)
        if not chunk:
            break
        line += chunk
    return bytes(line)


@dataclass(slots=True, kw_only=True)
class Course:
    """How far the session came; filled while it runs, so that an end at any moment loses nothing."""

    suite: SuiteEnd = field(default_factory=SuiteEnd)
    ready_seconds: float = 0.0
    servers: tuple[str, ...] = ()
    deaths: tuple[str, ...] = ()


def _live(work: Work, lifeline: Lifeline) -> Evidence:
    course = Course()
    error: NoxlibError | None = None
    try:
        lifeline.listen()
        _reap_forever()
        _run(work, lifeline, course)
    except Stopped:
        pass
    except NoxlibError as found:
        error = found
    except Exception as found:  # noqa: BLE001  a bug of ours must leave evidence, too
        log = Path(work.run_folder) / "logs" / "supervisor.log"
        log.write_text(traceback.format_exc(), encoding="utf-8")
        error = NoxlibError(
            f"the supervisor failed: {type(found).__name__}: {found}\n  log: {log}",
            remedy="this is a mistake in noxlib: please report it with the log",
        )
    return Evidence(
        suite_exit=course.suite.code,
        suite_seconds=course.suite.seconds,
        ready_seconds=course.ready_seconds,
        interrupted=lifeline.reason or course.suite.interrupted,
        error=str(error) if error else "",
        error_class=type(error).__name__ if error else "",
        servers=course.servers,
        box=work.box,
        network=_settings(work).network,
        deaths=course.deaths,
    )


def _run(work: Work, lifeline: Lifeline, course: Course) -> None:
    """Enter the box, start, run or stand, stop; whatever ends it early raises through this."""
    begun = time.monotonic()
    settings = _settings(work)
    standing = work.plan.type in plan.STANDING
    folders = [Path(each) for each in (work.root, work.run_folder, work.state_folder)]
    with (
        boxes.entered(work.box, closed=settings.network == "closed", visible=folders) as box,
        Stack(work, box) as stack,
        _undisturbed_end(lifeline),
    ):
        course.servers = stack.servers
        # A person who waits for a standing session has ^C.
        limit = settings.timeout if not standing else 0.0
        try:
            with lifeline.limited(limit, lambda: f"{stack.starting} wasn't ready by then"):
                stack.start()
            course.ready_seconds = time.monotonic() - begun
            if standing:
                stand(work, stack)
            else:
                run_suite(work, box, stack, course.suite, limit - course.ready_seconds)
        finally:
            # Now: the tear-down ends the others.
            when = "during the suite" if course.ready_seconds else "before the suite began"
            course.deaths = stack.deaths(when)


def _settings(work: Work) -> SuiteSettings:
    return plan.suite_settings(work.platform.services[work.plan.service], work.plan.type)


@contextlib.contextmanager
def _undisturbed_end(lifeline: Lifeline) -> Iterator[None]:
    """Make the lifeline deaf before the tear-down begins."""
    try:
        yield
    finally:
        lifeline.ignore()


def _reap_forever() -> None:
    def reap() -> None:
        while True:
            time.sleep(REAP_SECONDS)
            launch.reap_orphans()

    threading.Thread(target=reap, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
