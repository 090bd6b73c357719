from __future__ import annotations

from uuid import UUID

import pytest

from cs1.idempotency import fingerprint
from cs1.ledger import Entry, Side

A = Entry(account_id=UUID(int=1), side=Side.DEBIT, amount=5)
B = Entry(account_id=UUID(int=2), side=Side.CREDIT, amount=5)


def test_equal_transfers_have_equal_fingerprints() -> None:
    again = Entry(account_id=UUID(int=1), side=Side.DEBIT, amount=5)
    assert fingerprint("rent", [A, B]) == fingerprint("rent", [again, B])


@pytest.mark.parametrize(
    ("description", "entries"),
    [
        ("Rent", [A, B]),
        ("rent", [B, A]),
        ("rent", [A, B, A, B]),
        ("rent", [Entry(account_id=UUID(int=1), side=Side.CREDIT, amount=5), B]),
        ("rent", [Entry(account_id=UUID(int=1), side=Side.DEBIT, amount=6), B]),
        ("rent", [Entry(account_id=UUID(int=3), side=Side.DEBIT, amount=5), B]),
    ],
)
def test_any_difference_shows(description: str, entries: list[Entry]) -> None:
    assert fingerprint(description, entries) != fingerprint("rent", [A, B])


def test_a_fingerprint_is_the_same_tomorrow() -> None:
    """It is stored: a new release that computed another one would refuse every retry."""
    expected = "85331092baa1794449a23e509978de237f251cfa549e961ad63dc55f0e0b9baa"
    assert fingerprint("rent", [A, B]).hex() == expected
