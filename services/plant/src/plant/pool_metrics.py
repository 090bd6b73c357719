"""What a connection pool has done, counted by its own events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import QueuePool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """A pool at one moment. Counters begin with the process; times are in seconds."""

    size: int  # connections that it keeps
    overflow: int  # open beyond that, now
    checked_out: int
    idle: int
    peak: int  # most that were checked out at once
    opened: int
    acquired: int
    returned: int
    lost: int  # connections that broke and were thrown away
    timeouts: int  # callers who got none in time
    waited: float  # all callers together
    longest_wait: float


class PoolMetrics:
    """Counts from a pool's events. One event loop uses a pool: nothing here needs a lock."""

    def __init__(self, pool: QueuePool) -> None:
        """Listen to a pool, and to those that take its place when it is disposed of."""
        self._opened = self._acquired = self._returned = self._lost = self._timeouts = 0
        self._out = self._peak = 0
        self._waited = self._longest = 0.0
        event.listen(pool, "connect", self._connect)
        event.listen(pool, "checkout", self._checkout)
        event.listen(pool, "checkin", self._checkin)
        event.listen(pool, "invalidate", self._invalidate)

    def figures(self, pool: QueuePool) -> PoolFigures:
        """Return the figures of now; the engine's present pool knows what is open."""
        return PoolFigures(
            size=pool.size(),
            overflow=max(pool.overflow(), 0),
            checked_out=pool.checkedout(),
            idle=pool.checkedin(),
            peak=self._peak,
            opened=self._opened,
            acquired=self._acquired,
            returned=self._returned,
            lost=self._lost,
            timeouts=self._timeouts,
            waited=self._waited,
            longest_wait=self._longest,
        )

    def waited(self, seconds: float) -> None:
        """Note how long a caller waited for a connection."""
        self._waited += seconds
        self._longest = max(self._longest, seconds)

    def timed_out(self) -> None:
        """Note a caller who got no connection in time."""
        self._timeouts += 1

    def _connect(self, *_: Any) -> None:
        self._opened += 1

    def _checkout(self, *_: Any) -> None:
        self._acquired += 1
        self._out += 1
        self._peak = max(self._peak, self._out)

    def _checkin(self, *_: Any) -> None:
        self._returned += 1
        self._out -= 1

    def _invalidate(self, *_: Any) -> None:
        self._lost += 1
