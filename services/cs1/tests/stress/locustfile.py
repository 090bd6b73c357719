"""Customers who pay each other and look at their balances, as many as users are asked for.

A request that ends in anything but success is counted by locust itself, and so is an answer that
breaks a rule of the ledger: the thresholds in services.toml judge both.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

from locust import FastHttpUser, between, task
from locust.exception import StopUser

START = 1_000_000


class Customer(FastHttpUser):
    """Pays a customer who came before, one transfer for three reads."""

    wait_time = between(0.05, 0.15)
    network_timeout = 10.0
    connection_timeout = 10.0
    numbers = count()
    known: list[str] = []  # noqa: RUF012  shared on purpose: users pay each other

    def on_start(self) -> None:
        self.random = random.Random(next(self.numbers))
        cash, self.account = self.open("asset"), self.open("liability")
        self.transfer(cash, self.account, START)
        self.known.append(self.account)

    def open(self, kind: str) -> str:
        answer = self.client.post("/accounts", json={"name": "stress", "kind": kind, "currency": "EUR"})
        if answer.status_code != 201:
            raise StopUser
        account: str = answer.json()["id"]
        return account

    def transfer(self, debtor: str, creditor: str, amount: int) -> None:
        entries = [
            {"account": debtor, "side": "debit", "amount": amount},
            {"account": creditor, "side": "credit", "amount": amount},
        ]
        headers = {"Idempotency-Key": uuid4().hex}
        self.client.post("/transfers", json={"entries": entries}, headers=headers)

    def read(self, path: str, name: str, rule: str, holds: Callable[[Any], bool]) -> None:
        """Send a request whose answer must obey a rule."""
        with self.client.get(path, name=name, catch_response=True) as answer:
            if answer.status_code == 200 and not holds(answer.json()):
                answer.failure(rule)

    @task(5)
    def pay(self) -> None:
        self.transfer(self.account, self.random.choice(self.known), 1)

    @task(9)
    def read_balance(self) -> None:
        path = f"/accounts/{self.account}/balance"
        self.read(path, "/accounts/:id/balance", "overdrawn", lambda found: found["balance"] >= 0)

    @task(5)
    def read_statement(self) -> None:
        path = f"/accounts/{self.account}/statement?limit=20"
        self.read(path, "/accounts/:id/statement", "numbers have a gap", consecutive)

    @task(1)
    def read_trial_balance(self) -> None:
        self.read("/trial-balance", "/trial-balance", "money came or went", balanced)


def consecutive(page: dict[str, Any]) -> bool:
    numbers = [line["number"] for line in page["lines"]]
    return numbers == list(range(1, len(numbers) + 1))


def balanced(totals: list[dict[str, Any]]) -> bool:
    return all(total["debits"] == total["credits"] for total in totals)
