from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from ledger_client import LedgerClient


def test_an_opened_account_can_be_read(http: TestClient) -> None:
    body = {"name": "Änna's wallet", "kind": "liability", "currency": "EUR", "overdraft": 500}
    answer = http.post("/accounts", json=body)
    assert answer.status_code == 201
    opened = answer.json()
    assert UUID(opened["id"])
    assert {key: opened[key] for key in body} == body
    assert http.get(f"/accounts/{opened['id']}").json() == opened


def test_a_new_account_holds_nothing(ledger: LedgerClient) -> None:
    account = ledger.open()
    assert ledger.read(f"/accounts/{account}/balance") == {
        "account": account,
        "currency": "EUR",
        "balance": 0,
        "entries": 0,
    }
    assert ledger.statement(account) == {
        "account": account,
        "currency": "EUR",
        "lines": [],
        "next_cursor": None,
    }


@pytest.mark.parametrize("path", ["", "/balance", "/statement"])
def test_an_account_that_does_not_exist_is_not_found(http: TestClient, path: str) -> None:
    answer = http.get(f"/accounts/{uuid4()}{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:cs1:problem:not-found")


def test_an_invalid_account_is_refused_without_repeating_what_was_sent(http: TestClient) -> None:
    answer = http.post("/accounts", json={"name": "x", "kind": "s3cret", "currency": "EUR"})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["at"] == "body/kind"
    assert "s3cret" not in answer.text
