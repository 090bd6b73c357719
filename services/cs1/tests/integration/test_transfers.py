from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from ledger_audit import assert_sound, transfers_with_key
from ledger_client import LedgerClient, credit, debit


def test_a_transfer_moves_money_and_can_be_read(ledger: LedgerClient, engine: Engine) -> None:
    anna, bela = ledger.customer(1000), ledger.customer()
    answer = ledger.pay(anna, bela, 300)
    assert answer.status_code == 201
    booked = answer.json()
    assert booked["entries"] == [debit(anna, 300), credit(bela, 300)]
    assert (ledger.balance(anna), ledger.balance(bela)) == (700, 300)
    assert ledger.read(f"/transfers/{booked['id']}") == booked
    assert_sound(engine)


def test_a_transfer_may_have_many_entries_and_currencies(ledger: LedgerClient, engine: Engine) -> None:
    euros, dollars = ledger.customer(1000), ledger.customer(currency="USD")
    desk_euros, desk_dollars = ledger.open("equity"), ledger.open("equity", "USD", overdraft=5000)
    answer = ledger.post(
        debit(euros, 1000), credit(desk_euros, 1000), debit(desk_dollars, 1083), credit(dollars, 1083)
    )
    assert answer.status_code == 201
    assert [ledger.balance(account) for account in (euros, dollars, desk_euros, desk_dollars)] == [
        0,
        1083,
        1000,
        -1083,
    ]
    assert_sound(engine)


def test_an_account_that_appears_twice_is_booked_twice(ledger: LedgerClient) -> None:
    anna, bela = ledger.customer(100), ledger.customer()
    assert ledger.post(debit(anna, 100), credit(bela, 60), credit(bela, 40)).status_code == 201
    assert [line["balance"] for line in ledger.whole_statement(bela)] == [60, 100]


@pytest.mark.parametrize(("overdraft", "status", "left"), [(0, 409, 100), (49, 409, 100), (50, 201, -50)])
def test_an_account_goes_no_further_than_its_overdraft(
    ledger: LedgerClient, overdraft: int, status: int, left: int
) -> None:
    cash, anna, bela = ledger.open("asset"), ledger.open(overdraft=overdraft), ledger.open()
    ledger.post(debit(cash, 100), credit(anna, 100))
    assert ledger.pay(anna, bela, 150).status_code == status
    assert ledger.balance(anna) == left


def test_what_does_not_balance_is_refused(ledger: LedgerClient) -> None:
    anna, bela = ledger.customer(100), ledger.customer()
    answer = ledger.post(debit(anna, 10), credit(bela, 9))
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cs1:problem:unbalanced-transfer")


def test_currencies_do_not_mix(ledger: LedgerClient) -> None:
    assert ledger.pay(ledger.customer(100), ledger.customer(currency="USD"), 10).status_code == 422


def test_a_transfer_with_a_stranger_is_refused(ledger: LedgerClient) -> None:
    stranger = str(uuid4())
    answer = ledger.pay(ledger.customer(100), stranger, 10)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cs1:problem:unknown-account")
    assert stranger in answer.json()["detail"]


def test_a_transfer_that_does_not_exist_is_not_found(http: TestClient) -> None:
    assert http.get(f"/transfers/{uuid4()}").status_code == 404


@pytest.mark.parametrize("key", [None, b"", b"with space", b"x" * 256, "ümlaut".encode()])
def test_a_transfer_needs_a_plain_idempotency_key(http: TestClient, key: bytes | None) -> None:
    headers = {} if key is None else {b"Idempotency-Key": key}
    entries = [debit(str(uuid4()), 1), credit(str(uuid4()), 1)]
    answer = http.post("/transfers", json={"entries": entries}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == "header/idempotency-key"


def test_a_refused_transfer_leaves_its_key_free(ledger: LedgerClient, engine: Engine) -> None:
    anna, bela, key = ledger.customer(), ledger.customer(), uuid4().hex
    assert ledger.pay(anna, bela, 10, key).status_code == 409
    assert transfers_with_key(engine, key) == 0
    ledger.post(debit(ledger.open("asset"), 10), credit(anna, 10))
    assert ledger.pay(anna, bela, 10, key).status_code == 201


def test_the_trial_balance_adds_up_every_currency(ledger: LedgerClient) -> None:
    before = {total["currency"]: total for total in ledger.read("/trial-balance")}
    ledger.customer(700, "CHF")
    after = {total["currency"]: total for total in ledger.read("/trial-balance")}
    assert all(total["debits"] == total["credits"] for total in after.values())
    assert after["CHF"]["debits"] - before.get("CHF", {"debits": 0})["debits"] == 700
