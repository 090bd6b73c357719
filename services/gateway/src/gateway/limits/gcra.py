"""The generic cell rate algorithm: one number per client says all that there is to know.

That number is the theoretical arrival time (TAT) of ITU-T I.371: when the client's allowance will be
whole again. Times are whole microseconds, so that Python and Redis' Lua count exactly alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.limits.plans import MICROSECONDS, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a request is let through. `wait` is in seconds; `tat` is what is to be remembered."""

    allowed: bool
    remaining: int
    wait: float
    tat: int


def decide(tat: int, now: int, plan: Plan) -> Decision:
    """Judge a request at a moment; `tat` is 0 for a client that hasn't been seen."""
    whole = max(tat, now) + plan.interval
    early = whole - plan.burst * plan.interval - now
    if early > 0:
        return Decision(allowed=False, remaining=0, wait=early / MICROSECONDS, tat=tat)
    return Decision(allowed=True, remaining=-early // plan.interval, wait=0.0, tat=whole)
