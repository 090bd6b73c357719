"""Threads that ask the cache of rates at once, under interleavings that a seed can replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cs1.rates import KEEP, RateCache


class Provider:
    """Notes who asked; each answer tells how often its currency was asked for."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def __call__(self, base: str) -> Mapping[str, Decimal]:
        self.fetched.append(base)
        return {"USD": Decimal(self.fetched.count(base))}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shared:
    provider: Provider
    clock: Clock
    cache: RateCache
    seen: list[Decimal]


def cold() -> Shared:
    provider, clock = Provider(), Clock()
    return Shared(provider, clock, RateCache(provider, clock), [])


def expired() -> Shared:
    shared = cold()
    shared.cache.rate("EUR", "USD")
    shared.clock.now += KEEP
    return shared


def euro(shared: Shared) -> None:
    shared.seen.append(shared.cache.rate("EUR", "USD"))


def pound(shared: Shared) -> None:
    shared.cache.rate("GBP", "USD")


def test_threads_that_miss_at_once_fetch_once(noxlib_race: Callable[..., None]) -> None:
    def check(shared: Shared) -> None:
        assert sorted(shared.provider.fetched) == ["EUR", "GBP"]
        assert shared.seen == [1, 1, 1]

    noxlib_race(euro, euro, pound, euro, setup=cold, check=check)


def test_threads_that_meet_an_expired_rate_fetch_once_more(noxlib_race: Callable[..., None]) -> None:
    def check(shared: Shared) -> None:
        assert shared.provider.fetched == ["EUR", "EUR"]
        assert shared.seen == [2, 2, 2]

    noxlib_race(euro, euro, euro, setup=expired, check=check)
