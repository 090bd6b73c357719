"""Servers that are killed in the middle of a stream of transfers.

After every recovery: what was acknowledged is there, nothing is there twice, no money came or went.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import Engine, select

from cs1.schema import accounts, transfers
from ledger_audit import assert_sound, transfers_with_key, wait_for_a_blocked_backend
from ledger_client import LedgerClient
from ledger_traffic import Traffic, traffic

CUSTOMERS_START = 1_000_000
RECOVERY = 20.0  # seconds


def assert_nothing_lost_or_doubled(engine: Engine, seen: Traffic) -> None:
    with engine.connect() as connection:
        query = select(transfers.c.idempotency_key, transfers.c.id).where(
            transfers.c.idempotency_key.in_(seen.asked)
        )
        booked = {row.idempotency_key: str(row.id) for row in connection.execute(query)}
    assert booked == seen.acknowledged
    assert_sound(engine)
    expected = Counter(dict.fromkeys(seen.customers, CUSTOMERS_START))
    for payer, payee in seen.asked.values():
        expected[payer] -= 1
        expected[payee] += 1
    assert {customer: seen.ledger.balance(customer) for customer in seen.customers} == expected


def test_a_killed_database_loses_nothing_that_was_acknowledged(
    noxlib_chaos: Any, ledger: LedgerClient, engine: Engine
) -> None:
    with traffic(ledger) as running:
        for _ in range(2):
            running.wait_for(20)
            noxlib_chaos.postgres.kill()
            running.wait_for_failures()
            noxlib_chaos.postgres.restart()
            noxlib_chaos.wait_healthy()
        running.wait_for(20)
    assert_nothing_lost_or_doubled(engine, running)


def test_a_killed_service_loses_nothing_that_was_acknowledged(
    noxlib_chaos: Any, ledger: LedgerClient, engine: Engine
) -> None:
    with traffic(ledger) as running:
        for _ in range(2):
            running.wait_for(20)
            noxlib_chaos.process("cs1").kill()
            running.wait_for_failures()
            noxlib_chaos.process("cs1").restart()
            noxlib_chaos.wait_healthy()
        running.wait_for(20)
    assert_nothing_lost_or_doubled(engine, running)


def test_the_service_outlives_its_database_and_says_so(
    noxlib_chaos: Any, server: httpx2.Client, ledger: LedgerClient
) -> None:
    account = ledger.customer(100)
    noxlib_chaos.postgres.kill()
    health, balance = server.get("/health"), server.get(f"/accounts/{account}/balance")
    noxlib_chaos.postgres.restart()
    for answer in (health, balance):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["type"] == "urn:cs1:problem:database-unavailable"
    noxlib_chaos.eventually(lambda: server.get("/health").status_code == 200, within=RECOVERY)
    assert ledger.balance(account) == 100


def test_a_payment_that_was_cut_off_can_be_repeated(
    noxlib_chaos: Any, server: httpx2.Client, ledger: LedgerClient, engine: Engine
) -> None:
    anna, bela, key = ledger.customer(100), ledger.customer(), uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as holder:
            row = select(accounts).where(accounts.c.id == UUID(anna)).with_for_update()
            holder.execute(row)
            cut_off = pool.submit(ledger.pay, anna, bela, 60, key)
            wait_for_a_blocked_backend(engine)
            noxlib_chaos.process("cs1").kill()
        with pytest.raises(httpx2.TransportError):
            cut_off.result()
    noxlib_chaos.process("cs1").restart()
    noxlib_chaos.wait_healthy()

    def repeated() -> bool:
        return ledger.pay(anna, bela, 60, key).status_code == 201

    noxlib_chaos.eventually(repeated, within=RECOVERY)
    assert (ledger.balance(bela), transfers_with_key(engine, key)) == (60, 1)
    assert server.get("/health").status_code == 200
    assert_sound(engine)
