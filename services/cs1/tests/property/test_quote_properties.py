from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cs1.ledger import MAX_AMOUNT
from cs1.quotes import convert

AMOUNTS = st.integers(1, MAX_AMOUNT)
RATES = st.decimals(Decimal("0.000001"), Decimal(100000), places=6)
CURRENCIES = st.sampled_from(("EUR", "USD", "JPY", "KWD"))


@given(source=CURRENCIES, target=CURRENCIES, amount=AMOUNTS, rate=RATES)
def test_rounding_moves_an_amount_by_half_a_minor_unit_at_most(
    source: str, target: str, amount: int, rate: Decimal
) -> None:
    places = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
    exact = Decimal(amount) * rate * Decimal(10) ** (places[target] - places[source])
    assert abs(convert(source, target, amount, rate).converted - exact) <= Decimal("0.5")


@given(source=CURRENCIES, target=CURRENCIES, amount=st.integers(1, MAX_AMOUNT - 1), rate=RATES)
def test_more_money_is_never_worth_less(source: str, target: str, amount: int, rate: Decimal) -> None:
    less, more = (convert(source, target, value, rate).converted for value in (amount, amount + 1))
    assert less <= more


@given(currency=CURRENCIES, amount=AMOUNTS)
def test_a_currency_is_worth_itself(currency: str, amount: int) -> None:
    assert convert(currency, currency, amount, Decimal(1)).converted == amount
