"""Customers who pay each other and look at their balances, as many as users are asked for."""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

from locust import FastHttpUser, between, task

START = 1_000_000


class Customer(FastHttpUser):
    """Pays a customer who came before, one transfer for three reads."""

    wait_time = between(0.05, 0.15)
    network_timeout = 10.0
    connection_timeout = 10.0
    known: list[str] = []  # noqa: RUF012  shared on purpose: users pay each other

    def on_start(self) -> None:
        self.random = random.Random(len(self.known))  # noqa: S311  a workload, not a secret
        cash, self.account = self.open("asset"), self.open("liability")
        self.transfer(cash, self.account, START)
        self.known.append(self.account)

    def open(self, kind: str) -> str:
        body = {"name": "stress", "kind": kind, "currency": "EUR"}
        account: str = self.ask("POST", "/accounts", json=body)["id"]
        return account

    def transfer(self, debtor: str, creditor: str, amount: int) -> None:
        entries = [
            {"account": debtor, "side": "debit", "amount": amount},
            {"account": creditor, "side": "credit", "amount": amount},
        ]
        headers = {"Idempotency-Key": uuid4().hex}
        self.ask("POST", "/transfers", json={"entries": entries}, headers=headers)

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Send a request; anything but success raises, which locust counts as a failure."""
        with self.client.request(method, path, catch_response=True, **more) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        return found

    @task(1)
    def pay(self) -> None:
        payee = self.random.choice(self.known)
        if payee != self.account:
            self.transfer(self.account, payee, 1)

    @task(2)
    def read_balance(self) -> None:
        found = self.ask("GET", f"/accounts/{self.account}/balance", name="/accounts/:id/balance")
        assert found["balance"] >= 0

    @task(1)
    def read_statement(self) -> None:
        path = f"/accounts/{self.account}/statement?limit=20"
        self.ask("GET", path, name="/accounts/:id/statement")
