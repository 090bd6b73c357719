from __future__ import annotations

from decimal import Decimal

import pytest

from cs1.ledger import MAX_AMOUNT
from cs1.quotes import convert
from cs1.rates import MAX_RATE


@pytest.mark.parametrize(
    ("source", "target", "amount", "rate", "converted"),
    [
        ("EUR", "USD", 1000, "1.0831", 1083),
        ("EUR", "JPY", 1000, "163.4", 1634),  # yen have no cents
        ("JPY", "EUR", 1634, "0.00612", 1000),
        ("EUR", "KWD", 100, "0.33", 330),  # a dinar has a thousand fils
        ("EUR", "USD", 1, "0.5", 0),  # half to even: down
        ("EUR", "USD", 3, "0.5", 2),  # half to even: up
        ("EUR", "EUR", 5, "1", 5),
    ],
)
def test_amounts_are_converted_in_minor_units(
    source: str, target: str, amount: int, rate: str, converted: int
) -> None:
    assert convert(source, target, amount, Decimal(rate)).converted == converted


def test_the_highest_amount_at_the_highest_rate_keeps_every_digit() -> None:
    assert convert("JPY", "KWD", MAX_AMOUNT, MAX_RATE).converted == MAX_AMOUNT * 10**9 * 1000
