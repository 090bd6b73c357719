"""A circuit breaker: who fails again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from threading import Lock

FAILURES = 5  # in a row, until the circuit opens
OPEN_SECONDS = 1.0


class Circuit(str, Enum):
    """Closed lets all calls through, open none; half-open lets one try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Ask before a call, and tell how it ended. Safe for threads."""

    def __init__(
        self,
        failures: int = FAILURES,
        seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take how many failures in a row open it, and for how many seconds."""
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._trial_until = 0.0

    @property
    def circuit(self) -> Circuit:
        """Return how it stands, as the next caller would find it."""
        with self._lock:
            if self._open_until is None:
                return Circuit.CLOSED
            return Circuit.OPEN if self._clock() < self._open_until else Circuit.HALF_OPEN

    def wait(self) -> float:
        """Return the seconds until a call may be made; 0 lets this one through.

        When an open circuit's time is over, one caller gets 0 and with it the duty to tell how the
        call ended. One that never does, such as a thread that was killed, blocks nobody: after the
        same time again, the next one may try.
        """
        with self._lock:
            now = self._clock()
            if self._open_until is None:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            if now < self._trial_until:
                return self._trial_until - now
            self._trial_until = now + self._seconds
            return 0.0

    def succeeded(self) -> None:
        """Tell that a call went well: the circuit closes."""
        with self._lock:
            self._failures = 0
            self._open_until = None
            self._trial_until = 0.0

    def failed(self) -> None:
        """Tell that a call failed: enough of them, or a failed trial, open the circuit."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._most:
                self._open_until = self._clock() + self._seconds
                self._trial_until = 0.0
