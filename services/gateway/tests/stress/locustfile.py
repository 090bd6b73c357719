"""Clients of the gateway, as many as users are asked for: they search, read balances, and hire.

A request that ends in anything but success is counted by locust itself, and so is an answer that was
degraded or a hire that wasn't done: the thresholds in services.toml judge both.
"""

from __future__ import annotations

import os
import random
from itertools import count
from typing import Any
from uuid import uuid4

import requests
from locust import FastHttpUser, between, events, task
from locust.exception import StopUser

CLIENT = {"X-Client": "tests"}
TEXTS = ("welding", "TIG welding of pipes", "bread", "baking of bread", "TIG")
FUNDS = 1_000_000
SECONDS = 10.0


@events.test_start.add_listener
def employ(environment: Any, **_: Any) -> None:
    """Have a welder and a baker work at plant."""
    for role, skill in (("welder", "TIG welding"), ("baker", "bread baking")):
        known = create("PLANT_URL", "/job-roles", name=role, seniority="senior")
        create("PLANT_URL", "/agents", name=f"the {role}", job_role_id=known["id"])
        body = {"name": skill, "category": role}
        requests.post(
            f"{environment.host}/skills", json=body, headers=CLIENT, timeout=SECONDS
        ).raise_for_status()


def create(service: str, path: str, **body: Any) -> dict[str, Any]:
    answer = requests.post(f"{os.environ[service]}{path}", json=body, timeout=SECONDS)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


class Client(FastHttpUser):
    """Asks for one hire in five requests, and looks at an earlier one in two."""

    wait_time = between(0.1, 0.3)
    network_timeout = SECONDS
    connection_timeout = SECONDS
    numbers = count()

    def on_start(self) -> None:
        self.random = random.Random(next(self.numbers))
        cash, self.payer, self.payee = (self.account(kind) for kind in ("asset", "liability", "liability"))
        entries = [
            {"account": cash, "side": "debit", "amount": FUNDS},
            {"account": self.payer, "side": "credit", "amount": FUNDS},
        ]
        headers = {"Idempotency-Key": uuid4().hex}
        url = f"{os.environ['CS1_URL']}/transfers"
        self.must(self.client.post(url, json={"entries": entries}, headers=headers, name="prepare"))
        self.hires: list[str] = []

    def account(self, kind: str) -> str:
        body = {"name": "stress", "kind": kind, "currency": "EUR"}
        url = f"{os.environ['CS1_URL']}/accounts"
        account: str = self.must(self.client.post(url, json=body, name="prepare"))["id"]
        return account

    @staticmethod
    def must(answer: Any) -> Any:
        if answer.status_code != 201:
            raise StopUser
        return answer.json()

    @task(4)
    def hire(self) -> None:
        body = {"skill": self.random.choice(TEXTS), "payer": self.payer, "payee": self.payee, "fee": 1}
        headers = {"Idempotency-Key": uuid4().hex, **CLIENT}
        with self.client.post("/hires", json=body, headers=headers, catch_response=True) as answer:
            if answer.status_code == 202:
                self.hires.append(answer.json()["id"])

    @task(8)
    def look_at_a_hire(self) -> None:
        if not self.hires:
            return
        path = f"/hires/{self.random.choice(self.hires)}"
        with self.client.get(path, name="/hires/:id", headers=CLIENT, catch_response=True) as answer:
            if answer.status_code == 200 and answer.json()["state"] == "rejected":
                answer.failure(f"rejected: {answer.json()['reason']}")

    @task(4)
    def search(self) -> None:
        path = f"/skills?like={self.random.choice(TEXTS).replace(' ', '+')}"
        self.whole(path, "/skills")

    @task(4)
    def read_balance(self) -> None:
        self.whole(f"/accounts/{self.payer}/balance", "/accounts/:id/balance")

    def whole(self, path: str, name: str) -> None:
        """Send a request whose answer must not be a degraded one."""
        with self.client.get(path, name=name, headers=CLIENT, catch_response=True) as answer:
            if answer.status_code == 200 and answer.json()["degraded"]:
                answer.failure("degraded")
