"""Rates of exchange: fetched from a provider over HTTP, kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock

import httpx2
from pydantic import BaseModel, Field, ValidationError

from cs1.errors import RatesUnavailableError, UnknownRateError

TIMEOUT = 2.0  # seconds; a request waits on the provider at most that long
KEEP = 60.0  # seconds
MAX_RATE = Decimal(10) ** 9

Rates = Mapping[str, Decimal]


class _Answer(BaseModel):
    """What the provider sends: {"base": "EUR", "rates": {"USD": "1.0831"}}."""

    base: str
    rates: dict[str, Decimal] = Field(max_length=500)


class RatesClient:
    """Ask the provider for all rates of one base currency."""

    def __init__(self, url: str, transport: httpx2.BaseTransport | None = None) -> None:
        """Open no connection yet; `transport` is what httpx2 sends requests with."""
        self._client = httpx2.Client(base_url=url, timeout=TIMEOUT, transport=transport)

    def fetch(self, base: str) -> Rates:
        """Return rates by target currency; raises RatesUnavailableError and UnknownRateError."""
        try:
            response = self._client.get(f"/rates/{base}")
        except httpx2.HTTPError as error:
            raise RatesUnavailableError("The rates provider can't be reached.") from error
        if response.status_code == httpx2.codes.NOT_FOUND:
            raise UnknownRateError(f"The rates provider doesn't know {base}.")
        if response.status_code != httpx2.codes.OK:
            raise RatesUnavailableError(f"The rates provider answered {response.status_code}.")
        try:
            answer = _Answer.model_validate_json(response.content)
        except ValidationError as error:
            raise RatesUnavailableError("The rates provider's answer makes no sense.") from error
        if answer.base != base or not all(0 < rate < MAX_RATE for rate in answer.rates.values()):
            raise RatesUnavailableError("The rates provider's answer makes no sense.")
        return answer.rates

    def close(self) -> None:
        """Close pooled connections."""
        self._client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    rates: Rates
    until: float


class RateCache:
    """Keep rates for a minute. Requests that miss at once lead to one fetch, not to many."""

    def __init__(self, fetch: Callable[[str], Rates], clock: Callable[[], float] = time.monotonic) -> None:
        """Take what fetches, and what tells the time."""
        self._fetch = fetch
        self._clock = clock
        self._locks: dict[str, Lock] = {}
        self._kept: dict[str, _Kept] = {}

    def rate(self, source: str, target: str) -> Decimal:
        """Return how many units of `target` one unit of `source` buys; raises as the fetch does."""
        if source == target:
            return Decimal(1)
        rates = self._rates(source)
        if target not in rates:
            raise UnknownRateError(f"The rates provider has no rate from {source} to {target}.")
        return rates[target]

    def _rates(self, base: str) -> Rates:
        # One lock per currency: a slow answer for one doesn't keep the others waiting. Of threads that
        # come for a new currency at once, all get the same lock: setdefault is atomic.
        with self._locks.setdefault(base, Lock()):
            kept = self._kept.get(base)
            if kept is None or self._clock() >= kept.until:
                kept = _Kept(rates=self._fetch(base), until=self._clock() + KEEP)
                self._kept[base] = kept
            return kept.rates


def unconfigured(_base: str) -> Rates:
    """Stand in for the client where CS1_RATES_URL isn't set."""
    raise RatesUnavailableError("No rates provider is configured (CS1_RATES_URL).")
