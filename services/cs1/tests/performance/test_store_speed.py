from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cs1.ledger import Account, Entry, Kind, Side
from cs1.records import TransferOrder
from cs1.store import LedgerStore


@pytest.fixture
def pair(store: LedgerStore) -> tuple[UUID, UUID]:
    """Open a till and a customer that can trade for ever."""
    till = Account(id=uuid4(), kind=Kind.ASSET, currency="EUR")
    customer = Account(id=uuid4(), kind=Kind.LIABILITY, currency="EUR")
    for account in (till, customer):
        store.open_account(account, "speed")
    return till.id, customer.id


def book(store: LedgerStore, pair: tuple[UUID, UUID]) -> None:
    till, customer = pair
    lines = (
        Entry(account_id=till, side=Side.DEBIT, amount=1),
        Entry(account_id=customer, side=Side.CREDIT, amount=1),
    )
    store.post(TransferOrder(key=uuid4().hex, description="speed", entries=lines))


def test_book_a_transfer(benchmark: BenchmarkFixture, store: LedgerStore, pair: tuple[UUID, UUID]) -> None:
    benchmark(book, store, pair)
    balance = store.balance(pair[1])
    assert balance.amount == balance.tip.number > 0


def test_read_a_balance(benchmark: BenchmarkFixture, store: LedgerStore, pair: tuple[UUID, UUID]) -> None:
    for _ in range(20):
        book(store, pair)
    assert benchmark(store.balance, pair[1]).amount == 20


def test_read_a_statement_page(
    benchmark: BenchmarkFixture, store: LedgerStore, pair: tuple[UUID, UUID]
) -> None:
    for _ in range(60):
        book(store, pair)
    page = benchmark(store.statement, pair[1], None, 50)
    assert (len(page.lines), page.next_cursor is not None) == (50, True)
