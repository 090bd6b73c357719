"""Threads that spend the same money on a real PostgreSQL, through the service's own store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from cs1.errors import InsufficientFundsError, KeyReusedError
from cs1.ledger import Account, Entry, Kind, Side
from cs1.records import BookedTransfer, TransferOrder
from cs1.store import LedgerStore
from ledger_audit import assert_sound, transfers_with_key

THREADS = 8
ROUNDS = 5


@pytest.fixture
def account(store: LedgerStore) -> Callable[..., UUID]:
    def open_account(kind: Kind = Kind.LIABILITY) -> UUID:
        opened = Account(id=uuid4(), kind=kind, currency="EUR")
        store.open_account(opened, "race")
        return opened.id

    return open_account


def move(store: LedgerStore, debtor: UUID, creditor: UUID, amount: int, key: str = "") -> BookedTransfer:
    lines = (
        Entry(account_id=debtor, side=Side.DEBIT, amount=amount),
        Entry(account_id=creditor, side=Side.CREDIT, amount=amount),
    )
    return store.post(TransferOrder(key=key or uuid4().hex, description="race", entries=lines))


def at_once(operation: Callable[[int], object]) -> Counter[str]:
    """Run an operation in eight threads that start together; count how they ended."""
    barrier = Barrier(THREADS, timeout=10)

    def run(number: int) -> str:
        barrier.wait()
        try:
            operation(number)
        except (InsufficientFundsError, KeyReusedError) as error:
            return type(error).__name__
        return "booked"

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_the_same_money_is_spent_once(
    store: LedgerStore, engine: Engine, account: Callable[..., UUID], _round: int
) -> None:
    cash, anna, bela = account(Kind.ASSET), account(), account()
    move(store, cash, anna, 300)
    endings = at_once(lambda _: move(store, anna, bela, 100))
    assert endings == {"booked": 3, "InsufficientFundsError": 5}
    assert (store.balance(anna).amount, store.balance(bela).amount) == (0, 300)
    assert_sound(engine)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_one_key_books_one_transfer(
    store: LedgerStore, engine: Engine, account: Callable[..., UUID], _round: int
) -> None:
    cash, anna, key = account(Kind.ASSET), account(), uuid4().hex
    assert at_once(lambda _: move(store, cash, anna, 100, key)) == {"booked": THREADS}
    assert (store.balance(anna).amount, transfers_with_key(engine, key)) == (100, 1)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_one_key_for_different_transfers_books_the_first(
    store: LedgerStore, account: Callable[..., UUID], _round: int
) -> None:
    cash, anna, key = account(Kind.ASSET), account(), uuid4().hex
    endings = at_once(lambda number: move(store, cash, anna, 100 + number, key))
    assert endings == {"booked": 1, "KeyReusedError": THREADS - 1}
    assert store.balance(anna).tip.number == 1


def test_opposite_transfers_do_not_deadlock(
    store: LedgerStore, engine: Engine, account: Callable[..., UUID]
) -> None:
    cash, anna, bela = account(Kind.ASSET), account(), account()
    move(store, cash, anna, 1000)
    move(store, cash, bela, 1000)

    def back_and_forth(number: int) -> None:
        for step in range(10):
            pair = (anna, bela) if (number + step) % 2 else (bela, anna)
            move(store, *pair, 1)

    assert at_once(back_and_forth) == {"booked": THREADS}
    assert store.balance(anna).amount + store.balance(bela).amount == 2000
    assert store.balance(anna).tip.number == 1 + THREADS * 10
    assert_sound(engine)


def test_a_reader_never_sees_half_a_transfer(
    store: LedgerStore, engine: Engine, account: Callable[..., UUID]
) -> None:
    cash, anna, bela = account(Kind.ASSET), account(), account()
    move(store, cash, anna, 100)

    def pay_or_audit(number: int) -> None:
        for _ in range(10):
            if number % 2:
                move(store, anna, bela, 1)
            else:
                assert_sound(engine)
                assert all(total.debits == total.credits for total in store.trial_balance())

    assert at_once(pay_or_audit) == {"booked": THREADS}
    assert store.balance(bela).amount == 40
