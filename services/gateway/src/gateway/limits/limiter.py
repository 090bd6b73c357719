"""The limiter that all processes of the gateway share: one script in Redis, one round trip."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Any, cast

from redis import Redis
from sqlalchemy import Engine, select

from gateway.database import transaction
from gateway.errors import DatabaseUnavailableError
from gateway.limits.gcra import Decision
from gateway.limits.local import LocalLimiter
from gateway.limits.plans import MICROSECONDS, Plan
from gateway.redis_guard import RedisGuard, RedisUnavailableError
from gateway.schema import plans

KEEP_PLANS = 30.0  # seconds until a changed plan is noticed

# limits/gcra.py in Redis: atomic, and by one clock for all processes. A test holds the two together.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
local whole = math.max(tat, now) + interval
local early = whole - burst * interval - now
if early > 0 then return {0, 0, early, string.format('%.0f', tat), string.format('%.0f', now)} end
local milliseconds = math.ceil((whole - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.max(milliseconds, 1))
return {1, math.floor(-early / interval), 0, string.format('%.0f', whole), string.format('%.0f', now)}
"""

logger = logging.getLogger(__name__)


class Limiter:
    """Judge clients by their plans, in Redis, or in this process where Redis is away."""

    def __init__(self, guard: RedisGuard, local: LocalLimiter, plan_of: Callable[[str], Plan]) -> None:
        """Take Redis behind its guard, what stands in for it, and what knows the plans."""
        self._guard = guard
        self._local = local
        self._plan_of = plan_of

    def take(self, client: str) -> tuple[Decision, Plan]:
        """Judge a client's request; never fails."""
        plan = self._plan_of(client)
        try:
            return self._guard.call(lambda redis: take(redis, client, plan)), plan
        except RedisUnavailableError:
            return self._local.take(client, plan), plan


def take(redis: Redis, client: str, plan: Plan) -> Decision:
    """Judge a client's request by the server's clock."""
    arguments = (plan.interval, plan.burst)
    answer = cast(list[Any], redis.eval(SCRIPT, 1, f"limit:{client}", *arguments))
    allowed, remaining, early, tat, _ = answer
    return Decision(
        allowed=bool(allowed), remaining=int(remaining), wait=int(early) / MICROSECONDS, tat=int(tat)
    )


class PlanBook:
    """The plans in the database, read every half minute, while those known serve."""

    def __init__(self, engine: Engine, default: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the database, the plan of clients that have none, and what tells the time."""
        self._engine = engine
        self._default = default
        self._clock = clock
        self._known: Mapping[str, Plan] | None = None
        self._due = 0.0
        self._reading = Lock()

    def plan_of(self, client: str) -> Plan:
        """Return a client's plan. Only the first requests wait for the database, and for one reading."""
        if self._known is None:
            with self._reading:
                known = self._read() if self._known is None else self._known
        else:
            known = self._known
            if self._clock() >= self._due and self._reading.acquire(blocking=False):
                Thread(target=self._read_aside, name="plans", daemon=True).start()
        return known.get(client, self._default)

    def _read_aside(self) -> None:
        try:
            self._read()
        finally:
            self._reading.release()

    def _read(self) -> Mapping[str, Plan]:
        known = self._known or {}
        try:
            with transaction(self._engine) as connection:
                rows = connection.execute(select(plans)).all()
            known = {row.client: Plan(per_second=row.per_second, burst=row.burst) for row in rows}
        except DatabaseUnavailableError:
            logger.warning("plans can't be read; going on with those known")
        self._known, self._due = known, self._clock() + KEEP_PLANS
        return known
