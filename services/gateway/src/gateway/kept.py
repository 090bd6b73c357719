"""A value that is fetched at most once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Keep what a fetch returned. Threads that come at once lead to one fetch; a failure isn't kept."""

    def __init__(
        self, fetch: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what fetches, how long its value holds, and what tells the time."""
        self._fetch = fetch
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._value: tuple[T, float] | None = None

    def value(self) -> T:
        """Return the value; raises as the fetch does."""
        with self._lock:
            if self._value is None or self._clock() >= self._value[1]:
                self._value = (self._fetch(), self._clock() + self._seconds)
            return self._value[0]

    def renewed(self) -> T:
        """Return a value that is fetched now; raises as the fetch does."""
        with self._lock:
            self._value = (self._fetch(), self._clock() + self._seconds)
            return self._value[0]
