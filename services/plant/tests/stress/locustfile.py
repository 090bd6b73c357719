"""Planners who add skills, search them, page through them and look at the trail.

Users share four tenants: those of one tenant append to the same audit trail. A request that ends in
anything but success is counted by locust itself, and so is an answer that breaks a rule of the
service: the thresholds in services.toml judge both.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from typing import Any

from locust import FastHttpUser, between, task

TENANTS = 4
DIMENSIONS = 384


class Planner(FastHttpUser):
    """One addition for five readings."""

    wait_time = between(0.05, 0.15)
    network_timeout = 10.0
    connection_timeout = 10.0
    numbers = count()

    def on_start(self) -> None:
        self.number = next(self.numbers)
        self.random = random.Random(self.number)
        self.headers = {"X-Tenant": f"stress-{self.number % TENANTS}", "X-Actor": f"planner-{self.number}"}
        self.turns = count()

    def embedding(self) -> list[float]:
        return [round(self.random.gauss(0, 1), 4) for _ in range(DIMENSIONS)]

    def ask(
        self,
        method: str,
        path: str,
        name: str,
        holds: Callable[[Any], bool],
        body: Any = None,
    ) -> None:
        """Send a request whose answer must obey a rule."""
        with self.client.request(
            method, path, name=name, json=body, headers=self.headers, catch_response=True
        ) as answer:
            if answer.status_code in {200, 201} and not holds(answer.json()):
                answer.failure("the answer breaks a rule")

    @task(3)
    def add_a_skill(self) -> None:
        name = f"skill {self.number}-{next(self.turns)}"
        body = {"name": name, "category": "trade", "embedding": self.embedding()}
        self.ask("POST", "/skills", "POST /skills", lambda made: made["name"] == name, body)

    @task(6)
    def search(self) -> None:
        body = {"embedding": self.embedding(), "limit": 5}
        self.ask("POST", "/skills/search", "POST /skills/search", nearest_first, body)

    @task(4)
    def read_a_page(self) -> None:
        self.ask("GET", "/skills?limit=20", "GET /skills", in_order)

    @task(2)
    def read_the_trail(self) -> None:
        self.ask("GET", "/audit?limit=20", "GET /audit", without_a_gap)

    @task(1)
    def verify_the_trail(self) -> None:
        self.ask("GET", "/audit/verify", "GET /audit/verify", lambda verdict: verdict["intact"] is True)


def nearest_first(found: dict[str, Any]) -> bool:
    distances = [hit["distance"] for hit in found["hits"]]
    return distances == sorted(distances)


def in_order(page: dict[str, Any]) -> bool:
    names = [each["name"] for each in page["items"]]
    return names == sorted(names)


def without_a_gap(page: dict[str, Any]) -> bool:
    numbers = [each["sequence"] for each in page["records"]]
    return numbers == list(range(1, len(numbers) + 1))
