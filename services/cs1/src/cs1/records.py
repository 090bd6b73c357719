"""What the store hands out: accounts, transfers and statements as they were booked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cs1.ledger import Account, Entry, Side, Tip


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAccount:
    """An account, its name and its birthday."""

    account: Account
    name: str
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOrder:
    """A transfer that a client asks for, under a key that makes asking twice harmless."""

    key: str
    description: str
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedTransfer:
    """A transfer as it was booked. `replayed`: by an earlier request with the same key."""

    id: UUID
    description: str
    posted_at: datetime
    entries: Sequence[Entry]
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """An account's balance after its last entry, in the sense of its kind."""

    account: Account
    tip: Tip

    @property
    def amount(self) -> int:
        """Return the balance in minor units: below zero only within the overdraft."""
        return self.tip.balance * self.account.kind.sign


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One entry of an account, and the balance after it in the sense of the account's kind."""

    number: int
    transfer_id: UUID
    description: str
    posted_at: datetime
    side: Side
    amount: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPage:
    """Some lines of an account, oldest first. `next_cursor` is None on the last page."""

    account: Account
    lines: Sequence[StatementLine]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """All debits and all credits of a currency; in a sound ledger they are equal."""

    currency: str
    debits: int
    credits: int
