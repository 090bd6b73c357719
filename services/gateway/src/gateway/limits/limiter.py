"""The limiter that all processes of the gateway share: one script in Redis, one round trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from redis import Redis
from sqlalchemy import Engine, select

from gateway.database import transaction
from gateway.limits.gcra import Decision
from gateway.limits.local import LocalLimiter
from gateway.limits.plans import MICROSECONDS, Plan
from gateway.redis_guard import RedisGuard, RedisUnavailableError
from gateway.schema import plans

KEEP_PLANS = 30.0  # seconds until the plans are read again

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
    """The plans in the database as they were read last: no request waits for them."""

    def __init__(self, engine: Engine, default: Plan) -> None:
        """Take the database, and the plan of clients that have none; also of all before the first reading."""
        self._engine = engine
        self._default = default
        self._known: Mapping[str, Plan] = {}

    def plan_of(self, client: str) -> Plan:
        """Return a client's plan."""
        return self._known.get(client, self._default)

    def renew(self) -> bool:
        """Read the plans; False, as the step of a loop: not at once again.

        Raises DatabaseUnavailableError; the plans known go on to hold.
        """
        with transaction(self._engine) as connection:
            rows = connection.execute(select(plans)).all()
        self._known = {row.client: Plan(per_second=row.per_second, burst=row.burst) for row in rows}
        return False
