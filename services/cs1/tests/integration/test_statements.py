from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ledger_client import LedgerClient


def test_a_statement_shows_a_running_balance(ledger: LedgerClient) -> None:
    anna, bela = ledger.customer(1000), ledger.customer()
    transfer = ledger.pay(anna, bela, 300).json()["id"]
    ledger.pay(bela, anna, 100)
    lines = ledger.statement(anna)["lines"]
    assert [(line["number"], line["side"], line["amount"], line["balance"]) for line in lines] == [
        (1, "credit", 1000, 1000),
        (2, "debit", 300, 700),
        (3, "credit", 100, 800),
    ]
    assert [line["description"] for line in lines] == ["pay in", "payment", "payment"]
    assert lines[1]["transfer"] == transfer


@pytest.mark.parametrize(("limit", "pages"), [(1, 4), (2, 2), (3, 2), (4, 1), (5, 1)])
def test_pages_hold_every_line_once(ledger: LedgerClient, limit: int, pages: int) -> None:
    anna, bela = ledger.customer(10), ledger.customer()
    for _ in range(3):
        ledger.pay(anna, bela, 1)
    numbers, cursor, seen = [], None, 0
    while seen == 0 or cursor:
        page = ledger.statement(anna, limit=limit, **({"cursor": cursor} if cursor else {}))
        numbers += [line["number"] for line in page["lines"]]
        cursor, seen = page["next_cursor"], seen + 1
    assert (numbers, seen) == ([1, 2, 3, 4], pages)


def test_a_page_does_not_change_when_money_moves(ledger: LedgerClient) -> None:
    anna, bela = ledger.customer(10), ledger.customer()
    ledger.pay(anna, bela, 1)
    ledger.pay(anna, bela, 1)
    cursor = ledger.statement(anna, limit=1)["next_cursor"]
    before = ledger.statement(anna, limit=1, cursor=cursor)
    ledger.pay(bela, anna, 1)
    assert ledger.statement(anna, limit=1, cursor=cursor) == before


def test_a_cursor_of_another_account_is_refused(ledger: LedgerClient, http: TestClient) -> None:
    anna, bela = ledger.customer(10), ledger.customer(10)
    ledger.pay(anna, bela, 1)
    cursor = ledger.statement(anna, limit=1)["next_cursor"]
    answer = http.get(f"/accounts/{bela}/statement", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:cs1:problem:bad-cursor")


@pytest.mark.parametrize("limit", [0, 201, "many"])
def test_a_page_has_a_sensible_size(ledger: LedgerClient, http: TestClient, limit: object) -> None:
    answer = http.get(f"/accounts/{ledger.open()}/statement", params={"limit": str(limit)})
    assert answer.status_code == 422
