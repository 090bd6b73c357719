"""Steps that are repeated in a thread until the process stops."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds after a step that failed

logger = logging.getLogger(__name__)


class Loop:
    """Repeat a step. One that fails is repeated after a pause; only the first failure in a row is told."""

    def __init__(self, name: str, step: Callable[[], bool], idle: float) -> None:
        """Take the step, and the seconds to wait after one that returned False."""
        self.name = name
        self._step = step
        self._idle = idle
        self._stopping = False
        self._wake = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._failures = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """End a wait: there is something to do."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Begin no further step."""
        self._stopping = True
        self._wake.set()

    def ended(self, timeout: float) -> bool:
        """Wait until the step that runs has ended, and tell whether it did within some seconds."""
        if self._thread.ident is not None:  # it was started
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            pause = self._once()
            if pause:
                self._wake.wait(pause)
            self._wake.clear()

    def _once(self) -> float:
        try:
            again = self._step()
        except Exception as error:  # a thread that ended would leave its work undone until the restart
            self._failures += 1
            if self._failures == 1:
                logger.warning("failing", exc_info=error, extra={"fields": {"loop": self.name}})
            return min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
        if self._failures:
            logger.info("recovered", extra={"fields": {"loop": self.name}})
            self._failures = 0
        return 0.0 if again else self._idle


class Background:
    """The relay, the workers and what else one process does by itself."""

    def __init__(self, relay: Loop, others: Sequence[Loop]) -> None:
        """Take loops that haven't begun."""
        self._relay = relay
        self._loops = (relay, *others)

    def start(self) -> None:
        """Begin."""
        for loop in self._loops:
            loop.start()

    def wake(self) -> None:
        """Have the relay look at the outbox at once."""
        self._relay.wake()

    def stop(self, timeout: float) -> None:
        """Stop all of them, the relay first, within some seconds altogether; say who didn't end."""
        for loop in self._loops:
            loop.ask_to_stop()
        deadline = time.monotonic() + timeout
        for loop in self._loops:
            if not loop.ended(max(deadline - time.monotonic(), 0.0)):
                logger.warning("left running", extra={"fields": {"loop": loop.name}})
