"""The limiter of one process, for the time when Redis is away."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from gateway.limits.gcra import Decision, decide
from gateway.limits.plans import Plan

MOST_CLIENTS = 10_000  # who wasn't heard of for longest is forgotten first


def _microseconds() -> int:
    return time.monotonic_ns() // 1000


class LocalLimiter:
    """Count each client's requests in memory: every process by itself, which is better than not at all."""

    def __init__(self, clock: Callable[[], int] = _microseconds, most: int = MOST_CLIENTS) -> None:
        """Take what tells the time in microseconds."""
        self._clock = clock
        self._most = most
        self._lock = Lock()
        self._tats: OrderedDict[str, int] = OrderedDict()

    def take(self, client: str, plan: Plan) -> Decision:
        """Judge a client's request, and remember it when it is let through."""
        with self._lock:
            decision = decide(self._tats.get(client, 0), self._clock(), plan)
            self._tats[client] = decision.tat
            self._tats.move_to_end(client)
            if len(self._tats) > self._most:
                self._tats.popitem(last=False)
        return decision
