"""The real platform, where every process runs: what tests prepare at cs1 and plant, and count there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from gateway_client import GatewayClient

ANSWER = 20.0  # seconds that a test waits for an answer of a busy machine


@dataclass(frozen=True, slots=True)
class Platform:
    """Clients of the three services."""

    gateway: GatewayClient
    cs1: httpx2.Client
    plant: httpx2.Client

    def account(self, amount: int = 0) -> str:
        """Open a customer's account at cs1 and pay in some cash."""
        account = self._open("liability")
        if amount:
            entries = [
                {"account": self._open("asset"), "side": "debit", "amount": amount},
                {"account": account, "side": "credit", "amount": amount},
            ]
            body = {"description": "pay in", "entries": entries}
            answer = self.cs1.post("/transfers", json=body, headers={"Idempotency-Key": uuid4().hex})
            assert answer.status_code == 201, answer.text
        return account

    def balance(self, account: str) -> int:
        amount: int = self.cs1.get(f"/accounts/{account}/balance").json()["balance"]
        return amount

    def bookings(self, account: str) -> Counter[str]:
        """Count what cs1's ledger has booked on an account, by its description."""
        found: Counter[str] = Counter()
        query: dict[str, Any] = {"limit": 200}
        while True:
            answer = self.cs1.get(f"/accounts/{account}/statement", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found.update(line["description"] for line in page["lines"])
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    def employ(self, name: str, role: str, tenant: str = "default") -> str:
        """Have plant know an idle agent in a job role, and return the agent's id."""
        known = self._create("/job-roles", tenant, name=role, seniority="senior")
        return str(self._create("/agents", tenant, name=name, job_role_id=known["id"])["id"])

    def assert_booked_once(self, hire_ids: Iterable[str], payee: str, fee: int) -> None:
        """Fail unless cs1's ledger holds each of these hires once, and nothing else for this payee."""
        ids = list(hire_ids)
        assert self.bookings(payee) == Counter(f"hire {hire_id}" for hire_id in ids)
        assert self.balance(payee) == fee * len(ids)

    def _open(self, kind: str) -> str:
        answer = self.cs1.post("/accounts", json={"name": f"a {kind}", "kind": kind, "currency": "EUR"})
        assert answer.status_code == 201, answer.text
        account: str = answer.json()["id"]
        return account

    def _create(self, path: str, tenant: str, **body: Any) -> dict[str, Any]:
        answer = self.plant.post(path, json=body, headers={"X-Tenant": tenant, "X-Actor": "tests"})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def connected() -> Iterator[Platform]:
    """Connect to the running services, and have a welder work there."""
    with (
        httpx2.Client(base_url=os.environ["GATEWAY_URL"], timeout=ANSWER) as gateway,
        httpx2.Client(base_url=os.environ["CS1_URL"], timeout=ANSWER) as cs1,
        httpx2.Client(base_url=os.environ["PLANT_URL"], timeout=ANSWER) as plant,
    ):
        made = Platform(GatewayClient(gateway), cs1, plant)
        made.employ("Anna", "welder")
        assert made.gateway.add_skill("TIG welding", "welder").status_code == 201
        yield made
