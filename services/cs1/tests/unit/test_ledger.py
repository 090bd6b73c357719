from __future__ import annotations

from uuid import UUID

import pytest

from cs1.errors import InsufficientFundsError, OutOfRangeError, UnbalancedError, UnknownAccountError
from cs1.ledger import MAX_BALANCE, Account, Entry, Kind, Side, Tip, post

CASH, ANNA, BELA, DOLLARS = (UUID(int=number) for number in range(1, 5))

ACCOUNTS = {
    CASH: Account(id=CASH, kind=Kind.ASSET, currency="EUR"),
    ANNA: Account(id=ANNA, kind=Kind.LIABILITY, currency="EUR", overdraft=50),
    BELA: Account(id=BELA, kind=Kind.LIABILITY, currency="EUR"),
    DOLLARS: Account(id=DOLLARS, kind=Kind.LIABILITY, currency="USD"),
}


def debit(account: UUID, amount: int) -> Entry:
    return Entry(account_id=account, side=Side.DEBIT, amount=amount)


def credit(account: UUID, amount: int) -> Entry:
    return Entry(account_id=account, side=Side.CREDIT, amount=amount)


def test_paying_in_raises_both_sides() -> None:
    booked = post(ACCOUNTS, {}, [debit(CASH, 100), credit(BELA, 100)])
    assert [posting.tip for posting in booked] == [Tip(number=1, balance=100), Tip(number=1, balance=-100)]
    assert {posting.currency for posting in booked} == {"EUR"}


def test_a_transfer_goes_on_where_the_account_stands() -> None:
    booked = post(ACCOUNTS, {BELA: Tip(number=7, balance=-30)}, [debit(BELA, 30), credit(ANNA, 30)])
    assert booked[0].tip == Tip(number=8, balance=0)


def test_an_account_may_appear_twice_in_a_transfer() -> None:
    booked = post(ACCOUNTS, {}, [debit(CASH, 100), credit(BELA, 60), credit(BELA, 40)])
    assert [posting.tip for posting in booked[1:]] == [
        Tip(number=1, balance=-60),
        Tip(number=2, balance=-100),
    ]


def test_only_the_balance_at_the_end_counts() -> None:
    booked = post(ACCOUNTS, {}, [debit(BELA, 10), credit(ANNA, 10), credit(BELA, 10), debit(ANNA, 10)])
    assert booked[-2].tip.balance == 0


def test_an_overdraft_can_be_used_up_and_no_further() -> None:
    post(ACCOUNTS, {}, [debit(ANNA, 50), credit(BELA, 50)])
    with pytest.raises(InsufficientFundsError, match=str(ANNA)):
        post(ACCOUNTS, {}, [debit(ANNA, 51), credit(BELA, 51)])


def test_an_asset_can_not_be_overdrawn_by_credits() -> None:
    with pytest.raises(InsufficientFundsError, match=str(CASH)):
        post(ACCOUNTS, {BELA: Tip(number=1, balance=-9)}, [credit(CASH, 9), debit(BELA, 9)])


def test_a_refusal_does_not_tell_the_balance() -> None:
    tips = {BELA: Tip(number=1, balance=-31337)}
    with pytest.raises(InsufficientFundsError) as caught:
        post(ACCOUNTS, tips, [debit(BELA, 40000), credit(ANNA, 40000)])
    assert "31337" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([], "at least two"),
        ([debit(CASH, 1)], "at least two"),
        ([debit(CASH, 3), credit(BELA, 2)], "EUR: debits are 1 minor units too high"),
        ([debit(CASH, 2), credit(BELA, 3)], "EUR: credits are 1 minor units too high"),
        ([debit(CASH, 2), credit(DOLLARS, 2)], "EUR: debits are 2"),
    ],
)
def test_what_does_not_balance_is_refused(entries: list[Entry], fault: str) -> None:
    with pytest.raises(UnbalancedError, match=fault):
        post(ACCOUNTS, {}, entries)


def test_an_unknown_account_is_named_once() -> None:
    stranger = UUID(int=99)
    with pytest.raises(UnknownAccountError) as caught:
        post(ACCOUNTS, {}, [debit(stranger, 1), credit(stranger, 1)])
    assert str(caught.value).count(str(stranger)) == 1


@pytest.mark.parametrize(("room", "fits"), [(5, True), (4, False)])
def test_a_balance_stays_within_what_the_database_holds(room: int, fits: bool) -> None:
    tips = {CASH: Tip(number=1, balance=MAX_BALANCE - room)}
    entries = [debit(CASH, 5), credit(BELA, 5)]
    if fits:
        assert post(ACCOUNTS, tips, entries)[0].tip.balance == MAX_BALANCE
    else:
        with pytest.raises(OutOfRangeError, match=str(CASH)):
            post(ACCOUNTS, tips, entries)


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (Kind.ASSET, 1),
        (Kind.EXPENSE, 1),
        (Kind.LIABILITY, -1),
        (Kind.EQUITY, -1),
        (Kind.INCOME, -1),
    ],
)
def test_debits_add_to_assets_and_expenses_alone(kind: Kind, sign: int) -> None:
    assert kind.sign == sign
