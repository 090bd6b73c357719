"""Any sequence of transfers, on the pure rules: the tips are what the database would hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from uuid import UUID

from hypothesis import event, given
from hypothesis import strategies as st

from cs1.errors import LedgerError
from cs1.ledger import MAX_AMOUNT, Account, Entry, Kind, Posting, Side, Tip, post

EUROS = [UUID(int=number) for number in range(1, 5)]
DOLLARS = [UUID(int=number) for number in range(5, 8)]
SMALL = st.integers(1, 20)
AMOUNTS = st.one_of(SMALL, SMALL, st.integers(1, MAX_AMOUNT))
ANY_ENTRY = st.builds(
    Entry, account_id=st.sampled_from(EUROS + DOLLARS), side=st.sampled_from(Side), amount=AMOUNTS
)


@st.composite
def chart(draw: st.DrawFn) -> dict[UUID, Account]:
    """Draw accounts in two currencies, of which some may go below zero."""
    return {
        account_id: Account(
            id=account_id,
            kind=draw(st.sampled_from(Kind)),
            currency="EUR" if account_id in EUROS else "USD",
            overdraft=draw(st.sampled_from((0, 30, MAX_AMOUNT))),
        )
        for account_id in EUROS + DOLLARS
    }


@st.composite
def pairs(draw: st.DrawFn) -> list[Entry]:
    """Draw a debit and a credit that balance."""
    amount, ids = draw(AMOUNTS), st.sampled_from(draw(st.sampled_from((EUROS, DOLLARS))))
    return [
        Entry(account_id=draw(ids), side=Side.DEBIT, amount=amount),
        Entry(account_id=draw(ids), side=Side.CREDIT, amount=amount),
    ]


MANY_PAIRS = st.lists(pairs(), min_size=1, max_size=3).map(lambda some: [*chain(*some)])
TRANSFERS = st.lists(
    st.one_of(pairs(), pairs(), MANY_PAIRS, st.lists(ANY_ENTRY, max_size=4)), min_size=1, max_size=20
)


def run(
    accounts: dict[UUID, Account], transfers: Sequence[list[Entry]]
) -> tuple[list[list[Posting]], dict[UUID, Tip]]:
    booked, tips = [], dict[UUID, Tip]()
    for entries in transfers:
        try:
            postings = post(accounts, tips, entries)
        except LedgerError as error:
            event(type(error).__name__)
            continue
        event("booked")
        booked.append(postings)
        tips.update({posting.entry.account_id: posting.tip for posting in postings})
    return booked, tips


@given(accounts=chart(), transfers=TRANSFERS)
def test_money_is_neither_made_nor_lost(accounts: dict[UUID, Account], transfers: list[list[Entry]]) -> None:
    booked, tips = run(accounts, transfers)
    total: Counter[str] = Counter()
    for account_id, tip in tips.items():
        total[accounts[account_id].currency] += tip.balance
    assert not any(total.values())
    for postings in booked:
        of_transfer: Counter[str] = Counter()
        for posting in postings:
            of_transfer[posting.currency] += posting.entry.signed
        assert not any(of_transfer.values())


@given(accounts=chart(), transfers=TRANSFERS)
def test_no_account_passes_its_overdraft(accounts: dict[UUID, Account], transfers: list[list[Entry]]) -> None:
    _, tips = run(accounts, transfers)
    for account_id, tip in tips.items():
        account = accounts[account_id]
        assert tip.balance * account.kind.sign >= -account.overdraft


@given(accounts=chart(), transfers=TRANSFERS)
def test_a_balance_is_the_sum_of_its_entries(
    accounts: dict[UUID, Account], transfers: list[list[Entry]]
) -> None:
    booked, _ = run(accounts, transfers)
    numbers: Counter[UUID] = Counter()
    sums: Counter[UUID] = Counter()
    for posting in (posting for postings in booked for posting in postings):
        account_id = posting.entry.account_id
        numbers[account_id] += 1
        sums[account_id] += posting.entry.signed
        assert posting.tip == Tip(number=numbers[account_id], balance=sums[account_id])


@given(accounts=chart(), first=pairs())
def test_booking_the_reverse_brings_every_balance_back(
    accounts: dict[UUID, Account], first: list[Entry]
) -> None:
    generous = {
        key: Account(id=key, kind=account.kind, currency="EUR", overdraft=MAX_AMOUNT)
        for key, account in accounts.items()
    }
    other = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}
    back = [Entry(account_id=e.account_id, side=other[e.side], amount=e.amount) for e in first]
    after = {posting.entry.account_id: posting.tip for posting in post(generous, {}, first)}
    restored = {posting.entry.account_id: posting.tip for posting in post(generous, after, back)}
    assert {tip.balance for tip in restored.values()} == {0}
