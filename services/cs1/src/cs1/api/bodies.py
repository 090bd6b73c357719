"""Bodies of requests and responses. Amounts are whole minor units of the account's currency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from cs1.ledger import MAX_AMOUNT, Account, Entry, Kind, Side
from cs1.quotes import Quote
from cs1.records import (
    Balance,
    BookedTransfer,
    OpenedAccount,
    StatementLine,
    StatementPage,
    TransferOrder,
    TrialBalance,
)

Amount = Annotated[int, Field(strict=True, gt=0, le=MAX_AMOUNT)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]  # PostgreSQL's text can't hold NUL
IdempotencyKey = Annotated[str, Field(pattern=r"^[!-~]{1,255}$")]


class Body(BaseModel):
    """Refuse what isn't known: a misspelt key must not be dropped in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewAccount(Body):
    """POST /accounts."""

    name: Line
    kind: Kind
    currency: Currency
    overdraft: Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT)] = 0

    def account(self) -> Account:
        """Return the account under a new id."""
        return Account(id=uuid4(), kind=self.kind, currency=self.currency, overdraft=self.overdraft)


class AccountBody(Body):
    """An account."""

    id: UUID
    name: str
    kind: Kind
    currency: str
    overdraft: int
    opened_at: datetime

    @classmethod
    def of(cls, opened: OpenedAccount) -> AccountBody:
        """Show an account."""
        account = opened.account
        return cls(
            id=account.id,
            name=opened.name,
            kind=account.kind,
            currency=account.currency,
            overdraft=account.overdraft,
            opened_at=opened.opened_at,
        )


class EntryBody(Body):
    """One line of a transfer."""

    account: UUID
    side: Side
    amount: Amount

    @classmethod
    def of(cls, entry: Entry) -> EntryBody:
        """Show an entry."""
        return cls(account=entry.account_id, side=entry.side, amount=entry.amount)


class NewTransfer(Body):
    """POST /transfers."""

    description: Line = ""
    entries: Annotated[list[EntryBody], Field(min_length=2, max_length=100)]

    def order(self, key: str) -> TransferOrder:
        """Return what the ledger is asked to book."""
        lines = tuple(
            Entry(account_id=line.account, side=line.side, amount=line.amount) for line in self.entries
        )
        return TransferOrder(key=key, description=self.description, entries=lines)


class TransferBody(Body):
    """A booked transfer."""

    id: UUID
    description: str
    posted_at: datetime
    entries: Sequence[EntryBody]

    @classmethod
    def of(cls, booked: BookedTransfer) -> TransferBody:
        """Show a transfer."""
        return cls(
            id=booked.id,
            description=booked.description,
            posted_at=booked.posted_at,
            entries=[EntryBody.of(entry) for entry in booked.entries],
        )


class BalanceBody(Body):
    """An account's balance after its last entry; `entries` tells how many there are."""

    account: UUID
    currency: str
    balance: int
    entries: int

    @classmethod
    def of(cls, balance: Balance) -> BalanceBody:
        """Show a balance."""
        return cls(
            account=balance.account.id,
            currency=balance.account.currency,
            balance=balance.amount,
            entries=balance.tip.number,
        )


class LineBody(Body):
    """One line of a statement, with the balance after it."""

    number: int
    transfer: UUID
    description: str
    posted_at: datetime
    side: Side
    amount: int
    balance: int

    @classmethod
    def of(cls, line: StatementLine) -> LineBody:
        """Show a line."""
        return cls(
            number=line.number,
            transfer=line.transfer_id,
            description=line.description,
            posted_at=line.posted_at,
            side=line.side,
            amount=line.amount,
            balance=line.balance,
        )


class StatementBody(Body):
    """A page of a statement, oldest line first."""

    account: UUID
    currency: str
    lines: Sequence[LineBody]
    next_cursor: str | None

    @classmethod
    def of(cls, page: StatementPage) -> StatementBody:
        """Show a page."""
        return cls(
            account=page.account.id,
            currency=page.account.currency,
            lines=[LineBody.of(line) for line in page.lines],
            next_cursor=page.next_cursor,
        )


class TrialBalanceBody(Body):
    """All debits and credits of a currency."""

    currency: str
    debits: int
    credits: int

    @classmethod
    def of(cls, total: TrialBalance) -> TrialBalanceBody:
        """Show a total."""
        return cls(currency=total.currency, debits=total.debits, credits=total.credits)


class QuoteBody(Body):
    """What an amount is worth in another currency."""

    source: str
    target: str
    amount: int
    rate: Decimal
    converted: int

    @classmethod
    def of(cls, quote: Quote) -> QuoteBody:
        """Show a quote."""
        return cls(
            source=quote.source,
            target=quote.target,
            amount=quote.amount,
            rate=quote.rate,
            converted=quote.converted,
        )
