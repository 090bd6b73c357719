from __future__ import annotations

import pytest

from gateway.breaker import Breaker, Circuit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, seconds=2.0, clock=clock)


def opened(breaker: Breaker) -> Breaker:
    for _ in range(3):
        breaker.failed()
    return breaker


def test_it_is_closed_at_first(breaker: Breaker) -> None:
    assert (breaker.circuit, breaker.wait()) == (Circuit.CLOSED, 0.0)


def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.circuit is Circuit.CLOSED


def test_failures_in_a_row_open_it_for_a_while(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 0.5
    assert (breaker.circuit, breaker.wait()) == (Circuit.OPEN, 1.5)


def test_after_that_one_caller_may_try(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 2.0
    assert breaker.circuit is Circuit.HALF_OPEN
    assert breaker.wait() == 0.0
    assert breaker.wait() == 2.0


def test_a_good_trial_closes_it(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 2.0
    breaker.wait()
    breaker.succeeded()
    assert (breaker.circuit, breaker.wait()) == (Circuit.CLOSED, 0.0)


def test_a_failed_trial_opens_it_again_at_once(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 2.0
    breaker.wait()
    breaker.failed()
    assert (breaker.circuit, breaker.wait()) == (Circuit.OPEN, 2.0)


def test_a_trial_that_never_ends_keeps_nobody_out_for_ever(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 2.0
    breaker.wait()
    clock.now += 2.0
    assert breaker.wait() == 0.0
