"""The rates provider, replayed from cassettes: rates.example doesn't exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from cs1.api import create_app
from cs1.settings import Settings


@pytest.fixture
def quotes(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(replace(settings, rates_url="http://rates.example"))) as client:
        yield client


def ask(client: TestClient, **query: object) -> tuple[int, dict[str, object]]:
    asked = {"source": "EUR", "target": "USD", "amount": 1000, **query}
    answer = client.get("/quotes", params={key: str(value) for key, value in asked.items()})
    return answer.status_code, answer.json()


@pytest.mark.vcr("rates.yaml")
def test_a_quote_is_made_from_the_provider_s_rate(quotes: TestClient) -> None:
    assert ask(quotes) == (
        200,
        {"source": "EUR", "target": "USD", "amount": 1000, "rate": "1.0831", "converted": 1083},
    )


@pytest.mark.vcr("rates.yaml")
def test_the_provider_is_asked_once_for_many_quotes(quotes: TestClient) -> None:
    # The cassette holds one answer for euros: a second request would fail.
    assert [ask(quotes, target=target)[0] for target in ("USD", "JPY", "USD")] == [200, 200, 200]


@pytest.mark.vcr("rates.yaml")
def test_a_pair_without_a_rate_is_not_found(quotes: TestClient) -> None:
    status, body = ask(quotes, target="XAU")
    assert (status, body["type"]) == (404, "urn:cs1:problem:unknown-rate")


@pytest.mark.vcr("rates.yaml")
def test_a_currency_without_rates_is_not_found(quotes: TestClient) -> None:
    assert ask(quotes, source="XXX")[0] == 404


@pytest.mark.vcr("rates.yaml")
def test_a_provider_in_trouble_is_a_bad_gateway(quotes: TestClient) -> None:
    status, body = ask(quotes, source="GBP")
    assert (status, body["type"]) == (502, "urn:cs1:problem:rates-unavailable")


def test_without_a_provider_there_are_no_quotes(http: TestClient) -> None:
    status, body = ask(http)
    assert (status, "CS1_RATES_URL" in str(body["detail"])) == (502, True)


@pytest.mark.parametrize("query", [{"amount": 0}, {"amount": "1.5"}, {"target": "usd"}, {"source": "EURO"}])
def test_an_invalid_question_is_refused(http: TestClient, query: dict[str, object]) -> None:
    assert ask(http, **query)[0] == 422
