"""A client of the ledger's HTTP interface: against the application itself, or over the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2


def debit(account: str, amount: int) -> dict[str, Any]:
    return {"account": account, "side": "debit", "amount": amount}


def credit(account: str, amount: int) -> dict[str, Any]:
    return {"account": account, "side": "credit", "amount": amount}


@dataclass(frozen=True, slots=True)
class LedgerClient:
    """Each method is one request. Those that return JSON insist on success."""

    http: httpx2.Client

    def open(self, kind: str = "liability", currency: str = "EUR", overdraft: int = 0) -> str:
        body = {"name": f"a {kind}", "kind": kind, "currency": currency, "overdraft": overdraft}
        answer = self.http.post("/accounts", json=body)
        assert answer.status_code == 201, answer.text
        account: str = answer.json()["id"]
        return account

    def post(
        self, *entries: dict[str, Any], key: str | None = None, description: str = ""
    ) -> httpx2.Response:
        return self.http.post(
            "/transfers",
            json={"description": description, "entries": entries},
            headers={"Idempotency-Key": key or uuid4().hex},
        )

    def pay(self, payer: str, payee: str, amount: int, key: str | None = None) -> httpx2.Response:
        """Move an amount from one customer (a liability) to another."""
        return self.post(debit(payer, amount), credit(payee, amount), key=key, description="payment")

    def customer(self, amount: int = 0, currency: str = "EUR") -> str:
        """Open a customer's account and pay in some cash."""
        account = self.open(currency=currency)
        if amount:
            cash = self.open("asset", currency)
            answer = self.post(debit(cash, amount), credit(account, amount), description="pay in")
            assert answer.status_code == 201, answer.text
        return account

    def balance(self, account: str) -> int:
        amount: int = self.read(f"/accounts/{account}/balance")["balance"]
        return amount

    def statement(self, account: str, **query: Any) -> dict[str, Any]:
        page: dict[str, Any] = self.read(f"/accounts/{account}/statement", **query)
        return page

    def whole_statement(self, account: str, limit: int = 200) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        page = self.statement(account, limit=limit)
        while page["next_cursor"]:
            lines += page["lines"]
            page = self.statement(account, limit=limit, cursor=page["next_cursor"])
        return lines + list(page["lines"])

    def read(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()
