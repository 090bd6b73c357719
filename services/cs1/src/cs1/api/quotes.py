"""Quotes between currencies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cs1.api.bodies import Currency, QuoteBody
from cs1.api.resources import CurrentRates
from cs1.ledger import MAX_AMOUNT
from cs1.quotes import convert

router = APIRouter(tags=["quotes"])


@router.get("/quotes")
def read_quote(
    source: Annotated[Currency, Query()],
    target: Annotated[Currency, Query()],
    amount: Annotated[int, Query(gt=0, le=MAX_AMOUNT)],
    rates: CurrentRates,
) -> QuoteBody:
    """Say what an amount is worth in another currency; nothing is booked."""
    return QuoteBody.of(convert(source, target, amount, rates.rate(source, target)))
