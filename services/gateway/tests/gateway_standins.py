"""Stand-ins for cs1 and plant where they don't run. The contracts hold them to what the real ones do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

import httpx2

from gateway.embedding import distance

Answer = tuple[int, dict[str, Any]]
Fault = Callable[[httpx2.Request], Exception | None]


def refused(service: str, status: int, slug: str) -> Answer:
    return status, {"type": f"urn:{service}:problem:{slug}", "title": slug, "detail": f"{slug}, in words"}


def down(_: httpx2.Request) -> Exception:
    return httpx2.ConnectError("connection refused")


def slow(_: httpx2.Request) -> Exception:
    return httpx2.ReadTimeout("no answer")


@dataclass
class StandIn(ABC):
    """Answers requests, unless a fault is set: `before` it does what was asked, or only `after`."""

    before: Fault | None = None
    after: Fault | None = None
    requests: list[httpx2.Request] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._handle)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        with self.lock:
            self.requests.append(request)
            self._fail(self.before, request)
            status, body = self.answer(request)
            self._fail(self.after, request)
            headers = {"Idempotency-Replayed": "true"} if body.pop("replayed", False) else {}
            return httpx2.Response(status, json=body, headers=headers)

    @staticmethod
    def _fail(fault: Fault | None, request: httpx2.Request) -> None:
        error = fault(request) if fault else None
        if error is not None:
            raise error

    @abstractmethod
    def answer(self, request: httpx2.Request) -> Answer:
        """Do what was asked."""


@dataclass
class StandInLedger(StandIn):
    """cs1: accounts with balances that may not fall below zero, and keyed transfers between them."""

    balances: dict[str, int] = field(default_factory=dict)
    entries: Counter[str] = field(default_factory=Counter)
    booked: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def open(self, balance: int = 0) -> UUID:
        account = uuid4()
        self.balances[str(account)] = balance
        return account

    def answer(self, request: httpx2.Request) -> Answer:
        if request.url.path == "/transfers":
            return self._book(request.headers["Idempotency-Key"], json.loads(request.content))
        account = request.url.path.split("/")[2]
        if account not in self.balances:
            return refused("cs1", 404, "not-found")
        found = {"account": account, "currency": "EUR", "balance": self.balances[account]}
        return 200, {**found, "entries": self.entries[account]}

    def _book(self, key: str, body: dict[str, Any]) -> Answer:
        if key in self.booked:
            transfer, before = self.booked[key]
            same = before == body
            found = {"id": transfer, "replayed": True}
            return (201, found) if same else refused("cs1", 422, "idempotency-key-reused")
        payer, payee = body["entries"]
        if {payer["account"], payee["account"]} - self.balances.keys():
            return refused("cs1", 422, "unknown-account")
        if self.balances[payer["account"]] < payer["amount"]:
            return refused("cs1", 409, "insufficient-funds")
        for entry, sign in ((payer, -1), (payee, 1)):
            self.balances[entry["account"]] += sign * entry["amount"]
            self.entries[entry["account"]] += 1
        self.booked[key] = (str(uuid4()), body)
        return 201, {"id": self.booked[key][0]}


@dataclass
class StandInStaff(StandIn):
    """plant: skills, roles and agents of one tenant, in pages."""

    skills: dict[str, dict[str, Any]] = field(default_factory=dict)
    roles: list[dict[str, Any]] = field(default_factory=list)
    agents: list[dict[str, Any]] = field(default_factory=list)

    def employ(self, name: str, role: str, status: str = "idle") -> UUID:
        known = next((each for each in self.roles if each["name"] == role), None)
        if known is None:
            known = {"id": str(uuid4()), "name": role}
            self.roles.append(known)
        agent = uuid4()
        self.agents.append({"id": str(agent), "name": name, "status": status, "job_role_id": known["id"]})
        return agent

    def answer(self, request: httpx2.Request) -> Answer:
        match (request.method, request.url.path):
            case ("POST", "/skills"):
                return self._add(json.loads(request.content))
            case ("POST", "/skills/search"):
                return self._search(json.loads(request.content))
            case ("GET", "/job-roles"):
                return self._page(self.roles, request)
            case ("GET", "/agents"):
                return self._page(self.agents, request)
        return refused("plant", 404, "http")

    def _add(self, body: dict[str, Any]) -> Answer:
        known = self.skills.get(body["name"])
        if known is None:
            known = self.skills[body["name"]] = {"id": str(uuid4()), **body}
            return 201, {key: known[key] for key in ("id", "name", "category")}
        if known["category"] != body["category"]:
            return refused("plant", 409, "name-taken")
        return 201, {**{key: known[key] for key in ("id", "name", "category")}, "replayed": True}

    def _search(self, question: dict[str, Any]) -> Answer:
        hits: list[dict[str, Any]] = [
            {
                "skill": {key: skill[key] for key in ("id", "name", "category")},
                "distance": distance(question["embedding"], skill["embedding"]),
            }
            for skill in self.skills.values()
        ]
        return 200, {"hits": sorted(hits, key=lambda hit: hit["distance"])[: question["limit"]]}

    @staticmethod
    def _page(items: list[dict[str, Any]], request: httpx2.Request) -> Answer:
        limit, after = int(request.url.params["limit"]), request.url.params.get("after", "")
        found = sorted((each for each in items if each["name"] > after), key=lambda each: each["name"])
        more = len(found) > limit
        return 200, {"items": found[:limit], "next": found[limit - 1]["name"] if more else None}
