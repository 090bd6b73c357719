"""Convert an amount between currencies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

# ISO 4217: how many decimal places a currency has, where they aren't two.
PLACES = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
DEFAULT_PLACES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an amount is worth in another currency; both in minor units of their currency."""

    source: str
    target: str
    amount: int
    rate: Decimal
    converted: int


def convert(source: str, target: str, amount: int, rate: Decimal) -> Quote:
    """Convert minor units at a rate between whole units, rounding half to even."""
    shift = PLACES.get(target, DEFAULT_PLACES) - PLACES.get(source, DEFAULT_PLACES)
    converted = (Decimal(amount) * rate).scaleb(shift).quantize(Decimal(1), ROUND_HALF_EVEN)
    return Quote(source=source, target=target, amount=amount, rate=rate, converted=int(converted))
