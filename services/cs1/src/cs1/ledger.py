"""The rules of double entry, without a database.

Amounts are whole minor units (cents). A booked amount is signed: debits above zero, credits below,
so that every transfer, and with it the whole ledger, sums to zero in each currency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from cs1.errors import InsufficientFundsError, OutOfRangeError, UnbalancedError, UnknownAccountError

MAX_AMOUNT = 10**15  # minor units in one entry
MAX_BALANCE = 2**63 - 1  # what PostgreSQL's bigint holds


class Side(str, Enum):
    """Where an entry stands."""

    DEBIT = "debit"
    CREDIT = "credit"


class Kind(str, Enum):
    """What an account stands for. Debits add to assets and expenses, credits to all others."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"

    @property
    def sign(self) -> int:
        """Return what turns a sum of signed amounts into this kind's balance, and back."""
        return 1 if self in (Kind.ASSET, Kind.EXPENSE) else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the rules need of an account. `overdraft` is how far below zero its balance may go."""

    id: UUID
    kind: Kind
    currency: str
    overdraft: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a transfer, as a client asks for it."""

    account_id: UUID
    side: Side
    amount: int

    @property
    def signed(self) -> int:
        """Return the amount, below zero for a credit."""
        return self.amount if self.side is Side.DEBIT else -self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """An account's last booked entry: how many there are, and the sum of their signed amounts."""

    number: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """An entry with its place in its account."""

    entry: Entry
    currency: str
    tip: Tip


def post(
    accounts: Mapping[UUID, Account], tips: Mapping[UUID, Tip], entries: Sequence[Entry]
) -> list[Posting]:
    """Book a transfer upon the accounts' tips; an account without a tip has no entry yet.

    Raises UnknownAccountError, UnbalancedError, InsufficientFundsError, OutOfRangeError. Only the
    balances after the whole transfer count: an account may pass below its limit and come back.
    """
    _check_balanced(accounts, entries)
    current = dict(tips)
    postings = []
    for entry in entries:
        tip = current.get(entry.account_id, Tip())
        tip = Tip(number=tip.number + 1, balance=tip.balance + entry.signed)
        current[entry.account_id] = tip
        postings.append(Posting(entry=entry, currency=accounts[entry.account_id].currency, tip=tip))
    for account_id in dict.fromkeys(entry.account_id for entry in entries):
        _check_limits(accounts[account_id], current[account_id])
    _check_range(postings)
    return postings


def _check_balanced(accounts: Mapping[UUID, Account], entries: Sequence[Entry]) -> None:
    unknown = [str(entry.account_id) for entry in entries if entry.account_id not in accounts]
    if unknown:
        raise UnknownAccountError(f"There is no account {', '.join(dict.fromkeys(unknown))}.")
    if len(entries) < 2:  # noqa: PLR2004  "double" entry
        raise UnbalancedError("A transfer has at least two entries.")
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[accounts[entry.account_id].currency] += entry.signed
    for currency, total in sorted(sums.items()):
        if total:
            side = Side.DEBIT if total > 0 else Side.CREDIT
            raise UnbalancedError(f"{currency}: {side.value}s are {abs(total)} minor units too high.")


def _check_limits(account: Account, tip: Tip) -> None:
    if tip.balance * account.kind.sign < -account.overdraft:
        # The figure isn't told: who may post to an account may not always see its balance.
        raise InsufficientFundsError(f"Account {account.id} doesn't hold enough {account.currency}.")


def _check_range(postings: Sequence[Posting]) -> None:
    for posting in postings:
        if abs(posting.tip.balance) > MAX_BALANCE:
            raise OutOfRangeError(f"Account {posting.entry.account_id} can't hold that much.")
