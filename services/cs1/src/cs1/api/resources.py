"""What the endpoints ask of the application."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from cs1.rates import RateCache
from cs1.store import LedgerStore


def _store(request: Request) -> LedgerStore:
    return cast(LedgerStore, request.app.state.store)


def _rates(request: Request) -> RateCache:
    return cast(RateCache, request.app.state.rates)


Store = Annotated[LedgerStore, Depends(_store)]
CurrentRates = Annotated[RateCache, Depends(_rates)]
