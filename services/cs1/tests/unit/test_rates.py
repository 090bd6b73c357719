from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import httpx2
import pytest

from cs1.errors import RatesUnavailableError, UnknownRateError
from cs1.rates import KEEP, RateCache, RatesClient, unconfigured


class Provider:
    """Counts what is fetched; its rates rise by one with every fetch."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def __call__(self, base: str) -> Mapping[str, Decimal]:
        self.fetched.append(base)
        return {"USD": Decimal(len(self.fetched))}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def client(answer: Callable[[httpx2.Request], httpx2.Response]) -> Iterator[RatesClient]:
    client = RatesClient("http://rates.example", httpx2.MockTransport(answer))
    yield client
    client.close()


def test_rates_are_fetched_once_a_minute_for_each_currency() -> None:
    provider, clock = Provider(), Clock()
    cache = RateCache(provider, clock)
    assert [cache.rate("EUR", "USD"), cache.rate("EUR", "USD")] == [1, 1]
    assert cache.rate("GBP", "USD") == 2
    clock.now += KEEP
    assert cache.rate("EUR", "USD") == 3
    assert provider.fetched == ["EUR", "GBP", "EUR"]


def test_a_currency_is_worth_itself_without_asking() -> None:
    assert RateCache(unconfigured).rate("EUR", "EUR") == 1


def test_a_failure_is_not_kept() -> None:
    answers: list[Mapping[str, Decimal] | None] = [None, {"USD": Decimal(2)}]

    def fetch(_: str) -> Mapping[str, Decimal]:
        answer = answers.pop(0)
        if answer is None:
            raise RatesUnavailableError("away")
        return answer

    cache = RateCache(fetch)
    with pytest.raises(RatesUnavailableError):
        cache.rate("EUR", "USD")
    assert cache.rate("EUR", "USD") == 2


def test_a_pair_without_a_rate_is_named() -> None:
    with pytest.raises(UnknownRateError, match="from EUR to XAU"):
        RateCache(Provider()).rate("EUR", "XAU")


def test_without_a_provider_the_setting_is_named() -> None:
    with pytest.raises(RatesUnavailableError, match="CS1_RATES_URL"):
        RateCache(unconfigured).rate("EUR", "USD")


def test_the_client_reads_decimals_without_loss() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url == "http://rates.example/rates/EUR"
        return httpx2.Response(200, json={"base": "EUR", "rates": {"USD": "1.08310000000000000001"}})

    with client(answer) as rates:
        assert rates.fetch("EUR") == {"USD": Decimal("1.08310000000000000001")}


def test_a_currency_that_the_provider_does_not_know_is_named() -> None:
    with client(lambda _: httpx2.Response(404)) as rates, pytest.raises(UnknownRateError, match="XXX"):
        rates.fetch("XXX")


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (httpx2.Response(500), "answered 500"),
        (httpx2.Response(302, headers={"Location": "http://elsewhere.example"}), "answered 302"),
        (httpx2.Response(200, text="<html>"), "no sense"),
        (httpx2.Response(200, json={"base": "EUR", "rates": {"USD": "NaN"}}), "no sense"),
        (httpx2.Response(200, json={"base": "EUR", "rates": {"USD": "-1"}}), "no sense"),
        (httpx2.Response(200, json={"base": "EUR", "rates": {"USD": "1e9"}}), "no sense"),
        (httpx2.Response(200, json={"base": "GBP", "rates": {"USD": "1"}}), "no sense"),
    ],
)
def test_an_answer_that_makes_no_sense_is_never_used(response: httpx2.Response, fault: str) -> None:
    with client(lambda _: response) as rates, pytest.raises(RatesUnavailableError, match=fault):
        rates.fetch("EUR")


def test_a_provider_out_of_reach_is_no_crash() -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectTimeout("too slow")

    with client(answer) as rates, pytest.raises(RatesUnavailableError, match="can't be reached"):
        rates.fetch("EUR")
