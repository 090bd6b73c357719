from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2

from ledger_client import LedgerClient, credit, debit


def test_the_server_is_healthy(server: httpx2.Client) -> None:
    answer = server.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_shop_s_day_from_deposit_to_statement(ledger: LedgerClient) -> None:
    cash, fees = ledger.open("asset"), ledger.open("income")
    anna, shop = ledger.open(), ledger.open()

    deposit = ledger.post(debit(cash, 100_00), credit(anna, 100_00), description="deposit")
    assert deposit.status_code == 201

    sale, key = (debit(anna, 30_00), credit(shop, 29_10), credit(fees, 90)), uuid4().hex
    first = ledger.post(*sale, key=key, description="order 7")
    again = ledger.post(*sale, key=key, description="order 7")
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())

    too_much = ledger.pay(anna, shop, 70_01)
    assert (too_much.status_code, too_much.json()["title"]) == (409, "Insufficient funds")

    refund = ledger.post(
        debit(shop, 29_10), debit(fees, 90), credit(anna, 30_00), description="refund of order 7"
    )
    assert refund.status_code == 201
    payout = ledger.post(debit(anna, 40_00), credit(cash, 40_00), description="withdrawal")
    assert payout.status_code == 201

    balances = [ledger.balance(account) for account in (cash, anna, shop, fees)]
    assert balances == [60_00, 60_00, 0, 0]
    lines = ledger.whole_statement(anna, limit=2)
    assert [(line["description"], line["balance"]) for line in lines] == [
        ("deposit", 100_00),
        ("order 7", 70_00),
        ("refund of order 7", 100_00),
        ("withdrawal", 60_00),
    ]
    assert ledger.read(f"/transfers/{lines[1]['transfer']}") == first.json()


def test_many_customers_at_once_keep_the_books_in_balance(ledger: LedgerClient) -> None:
    customers = [ledger.customer(1000) for _ in range(4)]

    def pay_around(start: int) -> list[int]:
        return [
            ledger.pay(customers[(start + step) % 4], customers[(start + step + 1) % 4], 7).status_code
            for step in range(12)
        ]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for answers in pool.map(pay_around, range(8)) for status in answers]
    assert statuses == [201] * 96
    assert sum(ledger.balance(customer) for customer in customers) == 4000
    assert all(total["debits"] == total["credits"] for total in ledger.read("/trial-balance"))


def test_the_interface_describes_itself(server: httpx2.Client) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    assert {"/accounts", "/transfers", "/trial-balance", "/quotes", "/health"} <= set(paths)
