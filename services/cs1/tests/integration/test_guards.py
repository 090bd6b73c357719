"""The database keeps the books itself: these tests go round the service."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import IntegrityError

from cs1.schema import entries, transfers
from ledger_client import LedgerClient


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = amount + 1",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "UPDATE transfers SET description = ''",
        "DELETE FROM transfers",
        "TRUNCATE transfers CASCADE",
    ],
)
def test_nothing_that_was_booked_can_be_changed(engine: Engine, ledger: LedgerClient, statement: str) -> None:
    ledger.customer(100)
    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))


def book(connection: Connection, *lines: tuple[str, str, int, int]) -> UUID:
    """Write a transfer with lines of (account, currency, number, amount), unchecked."""
    transfer = uuid4()
    connection.execute(
        insert(transfers).values(id=transfer, idempotency_key=transfer.hex, fingerprint=b"", description="")
    )
    for position, (account, currency, number, amount) in enumerate(lines):
        connection.execute(
            insert(entries).values(
                account_id=UUID(account),
                number=number,
                transfer_id=transfer,
                position=position,
                currency=currency,
                amount=amount,
                balance=amount,
            )
        )
    return transfer


def test_a_balanced_transfer_passes_the_guards(engine: Engine, ledger: LedgerClient) -> None:
    cash, anna = ledger.open("asset"), ledger.open()
    with engine.begin() as connection:
        book(connection, (cash, "EUR", 1, 5), (anna, "EUR", 1, -5))
    assert ledger.balance(anna) == 5


def test_a_transfer_that_does_not_balance_can_not_be_committed(engine: Engine, ledger: LedgerClient) -> None:
    cash, anna = ledger.open("asset"), ledger.open()
    with pytest.raises(IntegrityError, match="does not balance"), engine.begin() as connection:
        book(connection, (cash, "EUR", 1, 5), (anna, "EUR", 1, -4))


def test_a_transfer_without_entries_can_not_be_committed(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="does not balance"), engine.begin() as connection:
        book(connection)


def test_an_entry_can_not_be_added_to_an_old_transfer(engine: Engine, ledger: LedgerClient) -> None:
    cash, anna = ledger.open("asset"), ledger.open()
    with engine.begin() as connection:
        transfer = book(connection, (cash, "EUR", 1, 5), (anna, "EUR", 1, -5))
    late = {"account_id": UUID(anna), "number": 2, "transfer_id": transfer, "position": 2}
    with pytest.raises(IntegrityError, match="does not balance"), engine.begin() as connection:
        connection.execute(insert(entries).values(**late, currency="EUR", amount=-1, balance=-6))


def test_an_entry_has_its_account_s_currency(engine: Engine, ledger: LedgerClient) -> None:
    cash, anna = ledger.open("asset"), ledger.open()
    with pytest.raises(IntegrityError, match="fk_entries_accounts"), engine.begin() as connection:
        book(connection, (cash, "USD", 1, 5), (anna, "USD", 1, -5))


def test_two_entries_can_not_take_the_same_place(engine: Engine, ledger: LedgerClient) -> None:
    cash, anna = ledger.open("asset"), ledger.open()
    with pytest.raises(IntegrityError, match="pk_entries"), engine.begin() as connection:
        book(connection, (cash, "EUR", 1, 5), (anna, "EUR", 1, -3), (anna, "EUR", 1, -2))
