"""Any sequence of requests, against what the plan promises."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.gcra import decide
from gateway.limits.plans import MICROSECONDS, Plan

PLANS = st.builds(Plan, per_second=st.integers(1, 1000), burst=st.integers(1, 50))
GAPS = st.lists(st.integers(0, 2 * MICROSECONDS) | st.just(0), min_size=1, max_size=80)
START = 1_800_000_000 * MICROSECONDS


def let_through(plan: Plan, gaps: list[int]) -> list[int]:
    """Return when requests were let through."""
    tat, passed = 0, []
    for now in accumulate(gaps, initial=START):
        decision = decide(tat, now, plan)
        tat = decision.tat
        if decision.allowed:
            passed.append(now)
    return passed


@given(plan=PLANS, gaps=GAPS)
def test_no_stretch_of_time_sees_more_than_the_burst_and_the_rate_allow(plan: Plan, gaps: list[int]) -> None:
    passed = let_through(plan, gaps)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            stretch = passed[last] - passed[first]
            assert last - first + 1 <= plan.burst + stretch // plan.interval + 1


@given(plan=PLANS, gaps=GAPS)
def test_who_keeps_to_the_rate_is_never_refused(plan: Plan, gaps: list[int]) -> None:
    slow = [gap + plan.interval for gap in gaps]
    assert len(let_through(plan, slow)) == len(slow) + 1


@given(plan=PLANS)
def test_a_burst_is_exactly_as_large_as_agreed(plan: Plan) -> None:
    assert len(let_through(plan, [0] * (plan.burst + 5))) == plan.burst


@given(plan=PLANS, gaps=GAPS, later=st.integers(0, MICROSECONDS))
def test_a_refusal_says_exactly_when_to_come_back(plan: Plan, gaps: list[int], later: int) -> None:
    tat, now = 0, START
    for gap in gaps:
        now += gap
        tat = decide(tat, now, plan).tat
    decision = decide(tat, now, plan)
    wait = round(decision.wait * MICROSECONDS)
    if decision.allowed:
        assert 0 <= decision.remaining < plan.burst
    else:
        assert not decide(tat, now + wait - 1, plan).allowed
        assert decide(tat, now + wait + later, plan).allowed


@given(plan=PLANS, gaps=GAPS)
def test_remaining_counts_what_may_still_come_at_once(plan: Plan, gaps: list[int]) -> None:
    tat, now = 0, START
    for gap in gaps:
        now += gap
        tat = decide(tat, now, plan).tat
    decision = decide(tat, now, plan)
    followers = 0
    tat = decision.tat
    while decision.allowed and decide(tat, now, plan).allowed:
        tat = decide(tat, now, plan).tat
        followers += 1
    assert followers == decision.remaining
