"""The ledger on PostgreSQL.

A transfer locks the rows of its accounts in the order of their ids, so that two transfers never
wait for each other in a circle, then reads the accounts' last entries and writes the next ones.
Why locks and not serializable transactions: README.md, "Concurrency".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, func, insert, select, true
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from cs1 import cursor, ledger
from cs1.database import transaction
from cs1.errors import KeyReusedError, NotFoundError
from cs1.idempotency import fingerprint
from cs1.ledger import Account, Entry, Kind, Posting, Side, Tip
from cs1.records import (
    Balance,
    BookedTransfer,
    OpenedAccount,
    StatementLine,
    StatementPage,
    TransferOrder,
    TrialBalance,
)
from cs1.schema import accounts, entries, transfers

ACCOUNT_COLUMNS = (accounts.c.id, accounts.c.kind, accounts.c.currency, accounts.c.overdraft)


class LedgerStore:
    """Each method is one transaction; each may raise DatabaseUnavailableError."""

    def __init__(self, engine: Engine) -> None:
        """Keep the pool; the application owns and closes it."""
        self._engine = engine

    def open_account(self, account: Account, name: str) -> OpenedAccount:
        """Write a new account."""
        statement = (
            insert(accounts)
            .values(
                id=account.id,
                name=name,
                kind=account.kind.value,
                currency=account.currency,
                overdraft=account.overdraft,
            )
            .returning(accounts.c.opened_at)
        )
        with transaction(self._engine) as connection:
            opened_at = connection.execute(statement).scalar_one()
        return OpenedAccount(account=account, name=name, opened_at=opened_at)

    def account(self, account_id: UUID) -> OpenedAccount:
        """Return an account; raises NotFoundError."""
        with transaction(self._engine) as connection:
            row = connection.execute(select(accounts).where(accounts.c.id == account_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no account {account_id}.")
        account = Account(id=row.id, kind=Kind(row.kind), currency=row.currency, overdraft=row.overdraft)
        return OpenedAccount(account=account, name=row.name, opened_at=row.opened_at)

    def post(self, order: TransferOrder) -> BookedTransfer:
        """Book a transfer, or return the one that was booked under the same key.

        Raises KeyReusedError when that one was another, and what `ledger.post` raises. A refused
        transfer leaves nothing behind, its key included: the same key may be tried again.
        """
        with transaction(self._engine) as connection:
            booked = _claim_key(connection, order)
            if booked is None:
                return _replay(connection, order)
            account_ids = {entry.account_id for entry in order.entries}
            locked = _lock_accounts(connection, account_ids)
            postings = ledger.post(locked, _tips(connection, locked), order.entries)
            connection.execute(insert(entries), [_row(booked.id, p, n) for n, p in enumerate(postings)])
        return booked

    def transfer(self, transfer_id: UUID) -> BookedTransfer:
        """Return a booked transfer; raises NotFoundError."""
        with transaction(self._engine) as connection:
            row = connection.execute(select(transfers).where(transfers.c.id == transfer_id)).one_or_none()
            if row is None:
                raise NotFoundError(f"There is no transfer {transfer_id}.")
            booked = _entries_of(connection, transfer_id)
        return BookedTransfer(id=row.id, description=row.description, posted_at=row.posted_at, entries=booked)

    def balance(self, account_id: UUID) -> Balance:
        """Return an account's balance, as its last committed entry says it; raises NotFoundError."""
        with transaction(self._engine) as connection:
            account = _account(connection, account_id)
            tip = _tips(connection, {account_id: account}).get(account_id, Tip())
        return Balance(account=account, tip=tip)

    def statement(self, account_id: UUID, after: str | None, limit: int) -> StatementPage:
        """Return up to `limit` lines after a cursor; raises NotFoundError and BadCursorError.

        Entries are only ever appended: pages that were read never change, and none is missed.
        """
        number = cursor.decode(account_id, after) if after else 0
        query = (
            select(entries, transfers.c.description, transfers.c.posted_at)
            .join(transfers, transfers.c.id == entries.c.transfer_id)
            .where(entries.c.account_id == account_id, entries.c.number > number)
            .order_by(entries.c.number)
            .limit(limit + 1)  # one more tells whether there is a next page
        )
        with transaction(self._engine) as connection:
            account = _account(connection, account_id)
            rows = connection.execute(query).all()
        lines = [
            StatementLine(
                number=row.number,
                transfer_id=row.transfer_id,
                description=row.description,
                posted_at=row.posted_at,
                side=_side(row.amount),
                amount=abs(row.amount),
                balance=row.balance * account.kind.sign,
            )
            for row in rows[:limit]
        ]
        more = len(rows) > limit
        return StatementPage(
            account=account,
            lines=lines,
            next_cursor=cursor.encode(account_id, lines[-1].number) if more else None,
        )

    def trial_balance(self) -> list[TrialBalance]:
        """Add up every entry ever booked, by currency: a check for auditors, not a quick read."""
        amount = entries.c.amount
        query = (
            select(
                entries.c.currency,
                func.coalesce(func.sum(amount).filter(amount > 0), 0).label("debits"),
                func.coalesce(-func.sum(amount).filter(amount < 0), 0).label("credits"),
            )
            .group_by(entries.c.currency)
            .order_by(entries.c.currency)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            TrialBalance(currency=row.currency, debits=int(row.debits), credits=int(row.credits))
            for row in rows
        ]


def _claim_key(connection: Connection, order: TransferOrder) -> BookedTransfer | None:
    """Write the transfer's row, or return None when its key is taken.

    A second request with the same key waits here until the first one has committed or given up.
    """
    statement = (
        insert_or_skip(transfers)
        .values(
            id=uuid4(),
            idempotency_key=order.key,
            fingerprint=fingerprint(order.description, order.entries),
            description=order.description,
        )
        .on_conflict_do_nothing(index_elements=[transfers.c.idempotency_key])
        .returning(transfers.c.id, transfers.c.posted_at)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return BookedTransfer(
        id=row.id, description=order.description, posted_at=row.posted_at, entries=tuple(order.entries)
    )


def _replay(connection: Connection, order: TransferOrder) -> BookedTransfer:
    row = connection.execute(select(transfers).where(transfers.c.idempotency_key == order.key)).one()
    if row.fingerprint != fingerprint(order.description, order.entries):
        raise KeyReusedError("This idempotency key was used for another transfer.")
    return BookedTransfer(
        id=row.id,
        description=row.description,
        posted_at=row.posted_at,
        entries=_entries_of(connection, row.id),
        replayed=True,
    )


def _lock_accounts(connection: Connection, account_ids: Collection[UUID]) -> dict[UUID, Account]:
    """Lock the accounts' rows, lowest id first. NO KEY: foreign keys to them may still be checked."""
    query = (
        select(*ACCOUNT_COLUMNS)
        .where(accounts.c.id.in_(account_ids))
        .order_by(accounts.c.id)
        .with_for_update(key_share=True)
    )
    return {
        row.id: Account(id=row.id, kind=Kind(row.kind), currency=row.currency, overdraft=row.overdraft)
        for row in connection.execute(query)
    }


def _tips(connection: Connection, known: Mapping[UUID, Account]) -> dict[UUID, Tip]:
    """Return the last entries of accounts that have any.

    This must be a statement of its own: one that waits for a lock goes on with the snapshot that it
    took before, and would see the tips as they were before the other transfer.
    """
    last = (
        select(entries.c.number, entries.c.balance)
        .where(entries.c.account_id == accounts.c.id)
        .order_by(entries.c.number.desc())
        .limit(1)
        .lateral("last")
    )
    query = (
        select(accounts.c.id, last.c.number, last.c.balance)
        .join(last, true())
        .where(accounts.c.id.in_(known))
    )
    return {row.id: Tip(number=row.number, balance=row.balance) for row in connection.execute(query)}


def _account(connection: Connection, account_id: UUID) -> Account:
    row = connection.execute(select(*ACCOUNT_COLUMNS).where(accounts.c.id == account_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no account {account_id}.")
    return Account(id=row.id, kind=Kind(row.kind), currency=row.currency, overdraft=row.overdraft)


def _entries_of(connection: Connection, transfer_id: UUID) -> tuple[Entry, ...]:
    query = (
        select(entries.c.account_id, entries.c.amount)
        .where(entries.c.transfer_id == transfer_id)
        .order_by(entries.c.position)
    )
    return tuple(
        Entry(account_id=row.account_id, side=_side(row.amount), amount=abs(row.amount))
        for row in connection.execute(query)
    )


def _row(transfer_id: UUID, posting: Posting, position: int) -> dict[str, object]:
    return {
        "account_id": posting.entry.account_id,
        "number": posting.tip.number,
        "transfer_id": transfer_id,
        "position": position,
        "currency": posting.currency,
        "amount": posting.entry.signed,
        "balance": posting.tip.balance,
    }


def _side(amount: int) -> Side:
    return Side.DEBIT if amount > 0 else Side.CREDIT
