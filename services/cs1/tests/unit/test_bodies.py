from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from cs1.api.bodies import NewAccount, NewTransfer
from cs1.ledger import MAX_AMOUNT, Entry, Kind, Side

ENTRY = {"account": str(UUID(int=1)), "side": "debit", "amount": 5}
OTHER = {"account": str(UUID(int=2)), "side": "credit", "amount": 5}
ACCOUNT = {"name": "till", "kind": "asset", "currency": "EUR"}


def test_a_transfer_becomes_an_order() -> None:
    order = NewTransfer.model_validate({"description": "rent", "entries": [ENTRY, OTHER]}).order("k-1")
    assert (order.key, order.description) == ("k-1", "rent")
    assert order.entries == (
        Entry(account_id=UUID(int=1), side=Side.DEBIT, amount=5),
        Entry(account_id=UUID(int=2), side=Side.CREDIT, amount=5),
    )


@pytest.mark.parametrize("amount", [0, -1, 1.0, 1.5, "5", True, None, MAX_AMOUNT + 1])
def test_an_amount_is_a_whole_number_above_zero(amount: Any) -> None:
    with pytest.raises(ValidationError, match="amount"):
        NewTransfer.model_validate({"entries": [{**ENTRY, "amount": amount}, OTHER]})


@pytest.mark.parametrize(
    "body",
    [
        {"entries": [ENTRY]},
        {"entries": [ENTRY, OTHER] * 51},
        {"entries": [{**ENTRY, "side": "left"}, OTHER]},
        {"entries": [{**ENTRY, "account": "1"}, OTHER]},
        {"entries": [ENTRY, OTHER], "descripton": "misspelt"},
        {"entries": [ENTRY, OTHER], "description": "x" * 201},
        {"entries": [ENTRY, OTHER], "description": "a\x00b"},
        {"entries": [ENTRY, OTHER], "description": "\ud800"},
    ],
)
def test_a_transfer_that_can_not_be_meant_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewTransfer.model_validate(body)


def test_an_account_has_no_overdraft_unless_asked_for() -> None:
    account = NewAccount.model_validate(ACCOUNT).account()
    assert (account.kind, account.currency, account.overdraft) == (Kind.ASSET, "EUR", 0)


def test_every_account_gets_an_id_of_its_own() -> None:
    body = NewAccount.model_validate(ACCOUNT)
    assert body.account().id != body.account().id


@pytest.mark.parametrize(
    "change",
    [{"kind": "wallet"}, {"currency": "eur"}, {"currency": "EUR\n"}, {"overdraft": -1}, {"overdraft": "5"}],
)
def test_an_account_that_can_not_be_meant_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewAccount.model_validate({**ACCOUNT, **change})
