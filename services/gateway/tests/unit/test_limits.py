from __future__ import annotations

import pytest

from gateway.limits.gcra import decide
from gateway.limits.local import LocalLimiter
from gateway.limits.plans import MICROSECONDS, Plan

PLAN = Plan(per_second=2, burst=3)


class Clock:
    def __init__(self) -> None:
        self.now = 50 * MICROSECONDS

    def __call__(self) -> int:
        return self.now


def test_a_burst_is_let_through_and_then_one_for_each_interval() -> None:
    clock = Clock()
    limiter = LocalLimiter(clock)
    assert [limiter.take("anna", PLAN).remaining for _ in range(3)] == [2, 1, 0]
    refused = limiter.take("anna", PLAN)
    assert (refused.allowed, refused.wait) == (False, 0.5)
    clock.now += MICROSECONDS // 2
    assert limiter.take("anna", PLAN).allowed
    assert not limiter.take("anna", PLAN).allowed


def test_a_refused_request_costs_nothing() -> None:
    tat = 0
    for _ in range(3):
        tat = decide(tat, 1, PLAN).tat
    assert {decide(tat, 1, PLAN).tat for _ in range(5)} == {tat}


def test_clients_have_nothing_to_do_with_each_other() -> None:
    limiter = LocalLimiter(Clock())
    for _ in range(4):
        limiter.take("anna", PLAN)
    assert limiter.take("bela", PLAN).remaining == 2


def test_who_was_not_heard_of_for_longest_is_forgotten_first() -> None:
    limiter = LocalLimiter(Clock(), most=2)
    for client in ("anna", "bela", "anna", "carl"):
        limiter.take(client, PLAN)
    assert limiter.take("anna", PLAN).remaining == 0
    assert limiter.take("bela", PLAN).remaining == 2


@pytest.mark.parametrize(("per_second", "interval"), [(1, 1_000_000), (3, 333_333), (100_000, 10)])
def test_an_interval_is_whole_microseconds(per_second: int, interval: int) -> None:
    assert Plan(per_second=per_second, burst=1).interval == interval
