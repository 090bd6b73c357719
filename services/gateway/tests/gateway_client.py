"""A client of the gateway's HTTP interface: against the application itself, or over the network."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2

CLIENT = {"X-Client": "tests"}
FINAL = ("done", "rejected")


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """Each method is one request, or waits with several. Those that return JSON insist on success."""

    http: httpx2.Client

    def hire(
        self, payer: UUID | str, payee: UUID | str, fee: int = 250, *, key: str = "", skill: str = "welding"
    ) -> httpx2.Response:
        body = {"skill": skill, "payer": str(payer), "payee": str(payee), "fee": fee}
        headers = {"Idempotency-Key": key or uuid4().hex, **CLIENT}
        return self.http.post("/hires", json=body, headers=headers)

    def hired(self, payer: UUID | str, payee: UUID | str, fee: int = 250, **more: Any) -> str:
        """Ask for a hire, insist on its being accepted, and return its id."""
        answer = self.hire(payer, payee, fee, **more)
        assert answer.status_code == 202, answer.text
        hire_id: str = answer.json()["id"]
        return hire_id

    def read(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query, headers=CLIENT)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self, hire_id: str) -> str:
        state: str = self.read(f"/hires/{hire_id}")["state"]
        return state

    def finished(self, hire_id: str, within: float = 10.0) -> dict[str, Any]:
        """Wait for a hire's end and return it."""
        deadline = time.monotonic() + within
        while True:
            hire: dict[str, Any] = self.read(f"/hires/{hire_id}")
            if hire["state"] in FINAL:
                return hire
            assert time.monotonic() < deadline, f"not within {within:g} s: {hire}"
            time.sleep(0.02)

    def all_finished(self, hire_ids: Iterable[str], within: float = 10.0) -> list[dict[str, Any]]:
        deadline = time.monotonic() + within
        return [self.finished(each, max(deadline - time.monotonic(), 0.1)) for each in hire_ids]

    def add_skill(self, name: str, category: str) -> httpx2.Response:
        return self.http.post("/skills", json={"name": name, "category": category}, headers=CLIENT)

    def search(self, like: str, **more: int) -> httpx2.Response:
        return self.http.get("/skills", params={"like": like, **more}, headers=CLIENT)

    def balance(self, account: UUID | str) -> httpx2.Response:
        return self.http.get(f"/accounts/{account}/balance", headers=CLIENT)
