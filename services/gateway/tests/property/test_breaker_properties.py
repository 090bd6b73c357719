"""Any sequence of calls on a breaker, against a model that keeps the whole history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.breaker import Breaker, Circuit

EVENTS = st.lists(st.sampled_from(["good", "bad", "wait"]) | st.integers(1, 3), max_size=60)
MOST, SECONDS = 3, 2


@given(events=EVENTS)
def test_it_is_closed_unless_enough_failures_came_in_a_row(events: list[str | int]) -> None:
    now: float = 0
    breaker = Breaker(MOST, SECONDS, lambda: now)
    row = 0
    last_failure = 0.0
    for event in events:
        if isinstance(event, int):
            now += event
        elif event == "wait":
            breaker.wait()
        elif event == "good":
            breaker.succeeded()
            row = 0
        else:
            breaker.failed()
            row, last_failure = row + 1, now
        if row < MOST:
            assert breaker.circuit is Circuit.CLOSED
        elif now < last_failure + SECONDS:
            assert breaker.circuit is Circuit.OPEN
        else:
            assert breaker.circuit is Circuit.HALF_OPEN


@given(events=EVENTS)
def test_who_waits_as_long_as_told_is_let_through(events: list[str | int]) -> None:
    now = 0.0
    breaker = Breaker(MOST, SECONDS, lambda: now)
    for event in events:
        if isinstance(event, int):
            now += event
        elif event == "bad":
            breaker.failed()
    told = breaker.wait()
    assert 0 <= told <= SECONDS
    if told > 0:
        now += told
        assert breaker.wait() == 0
