from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from sqlalchemy import Engine

from ledger_audit import assert_sound, transfers_with_key
from ledger_client import LedgerClient


def test_the_same_request_again_gets_the_same_answer(ledger: LedgerClient, engine: Engine) -> None:
    anna, bela, key = ledger.customer(100), ledger.customer(), uuid4().hex
    first, again = ledger.pay(anna, bela, 60, key), ledger.pay(anna, bela, 60, key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (ledger.balance(anna), transfers_with_key(engine, key)) == (40, 1)


def test_a_replay_is_answered_even_when_the_money_is_gone(ledger: LedgerClient) -> None:
    anna, bela, key = ledger.customer(100), ledger.customer(), uuid4().hex
    first = ledger.pay(anna, bela, 100, key)
    assert ledger.pay(anna, bela, 100, key).json() == first.json()


def test_the_same_key_for_another_transfer_is_refused(ledger: LedgerClient) -> None:
    anna, bela, key = ledger.customer(100), ledger.customer(), uuid4().hex
    ledger.pay(anna, bela, 60, key)
    answer = ledger.pay(anna, bela, 61, key)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cs1:problem:idempotency-key-reused")
    assert ledger.balance(anna) == 40


def test_the_same_request_many_times_at_once_is_one_transfer(ledger: LedgerClient, engine: Engine) -> None:
    anna, bela, key = ledger.customer(100), ledger.customer(), uuid4().hex
    barrier = Barrier(8, timeout=10)

    def pay(_: int) -> bytes:
        barrier.wait()
        answer = ledger.pay(anna, bela, 60, key)
        assert answer.status_code == 201, answer.text
        return answer.content

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(pay, range(8)))
    assert len(answers) == 1
    assert (ledger.balance(bela), transfers_with_key(engine, key)) == (60, 1)
    assert_sound(engine)
