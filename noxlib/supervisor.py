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
from collections.abc import Iterator
from pathlib import Path

from noxlib import box as boxes
from noxlib import launch, plan
from noxlib.errors import NoxlibError
from noxlib.files import write_whole
from noxlib.model import Evidence, Work, from_json, to_json
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
    lifeline = Lifeline()
    lifeline.listen()
    _reap_forever()
    evidence = _live(work, lifeline)
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


def _live(work: Work, lifeline: Lifeline) -> Evidence:
    begun = time.monotonic()
    end = SuiteEnd()
    ready = 0.0
    error: NoxlibError | None = None
    servers: tuple[str, ...] = ()
    deaths: tuple[str, ...] = ()
    standing = work.plan.type in plan.STANDING
    settings = plan.suite_settings(work.platform.services[work.plan.service], work.plan.type)
    folders = [Path(each) for each in (work.root, work.run_folder, work.state_folder)]
    try:
        with (
            boxes.entered(work.box, closed=settings.network == "closed", visible=folders) as box,
            Stack(work, box) as stack,
            _undisturbed_end(lifeline),
        ):
            servers = stack.servers
            try:
                stack.start()
                ready = time.monotonic() - begun
                if standing:
                    stand(work, stack)
                else:
                    run_suite(work, box, stack, end)
            finally:
                # Now: the tear-down ends the others.
                deaths = stack.deaths("during the suite" if ready else "before the suite began")
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
        suite_exit=end.code,
        suite_seconds=end.seconds,
        ready_seconds=ready,
        interrupted=lifeline.reason or end.interrupted,
        error=str(error) if error else "",
        error_class=type(error).__name__ if error else "",
        servers=servers,
        box=work.box,
        network=settings.network,
        deaths=deaths,
    )


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
