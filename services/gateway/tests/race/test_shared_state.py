"""Threads that share the state of one process, under interleavings that a seed can replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.breaker import Breaker, Circuit
from gateway.kept import Kept
from gateway.limits.local import LocalLimiter
from gateway.limits.plans import Plan

Race = Callable[..., None]


@dataclass
class Shared:
    """What the threads share, and what each of them saw."""

    now: float = 0.0
    fetched: int = 0
    seen: list[float] = field(default_factory=list)
    breaker: Breaker = field(init=False)
    kept: Kept[int] = field(init=False)
    limiter: LocalLimiter = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(failures=3, seconds=2.0, clock=lambda: self.now)
        self.kept = Kept(self._fetch, 5.0, lambda: self.now)
        self.limiter = LocalLimiter(lambda: 1_000_000, most=2)

    def _fetch(self) -> int:
        self.fetched += 1
        return self.fetched


def half_open() -> Shared:
    shared = Shared()
    for _ in range(3):
        shared.breaker.failed()
    shared.now = 2.0
    return shared


def expired() -> Shared:
    shared = Shared()
    shared.kept.value()
    shared.now = 5.0
    return shared


def ask(shared: Shared) -> None:
    shared.seen.append(shared.breaker.wait())


def fail(shared: Shared) -> None:
    shared.breaker.failed()


def read(shared: Shared) -> None:
    shared.seen.append(shared.kept.value())


def take(shared: Shared) -> None:
    shared.seen.append(shared.limiter.take("anna", Plan(per_second=1, burst=2)).allowed)


def take_as_others(shared: Shared) -> None:
    for client in ("bela", "anna"):
        shared.limiter.take(client, Plan(per_second=1, burst=2))


def test_a_half_open_circuit_lets_one_thread_try(noxlib_race: Race) -> None:
    def check(shared: Shared) -> None:
        assert sorted(shared.seen) == [0.0, 2.0, 2.0]

    noxlib_race(ask, ask, ask, setup=half_open, check=check)


def test_no_failure_is_forgotten(noxlib_race: Race) -> None:
    def check(shared: Shared) -> None:
        assert shared.breaker.circuit is Circuit.OPEN

    noxlib_race(fail, fail, fail, setup=Shared, check=check)


def test_a_trial_and_a_late_failure_leave_a_circuit_that_opens_again(noxlib_race: Race) -> None:
    def check(shared: Shared) -> None:
        assert shared.breaker.circuit is Circuit.OPEN
        shared.now += 2.0
        assert shared.breaker.wait() == 0.0

    noxlib_race(ask, fail, ask, setup=half_open, check=check)


def test_threads_that_miss_at_once_fetch_once(noxlib_race: Race) -> None:
    def check(shared: Shared) -> None:
        assert (shared.fetched, shared.seen) == (1, [1, 1, 1])

    noxlib_race(read, read, read, setup=Shared, check=check)


def test_threads_that_meet_an_expired_value_fetch_once_more(noxlib_race: Race) -> None:
    def check(shared: Shared) -> None:
        assert (shared.fetched, shared.seen) == (2, [2, 2, 2])

    noxlib_race(read, read, read, setup=expired, check=check)


def test_threads_get_no_more_than_the_burst(noxlib_race: Race) -> None:
    def check(shared: Shared) -> None:
        assert sorted(shared.seen) == [False, True, True]

    noxlib_race(take, take, take, setup=Shared, check=check)


def test_clients_that_come_and_go_at_once_break_nothing(noxlib_race: Race) -> None:
    noxlib_race(take, take_as_others, take, setup=Shared, check=lambda shared: len(shared.seen) == 2)
