"""A client of the interface, over the network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2


@dataclass(frozen=True, slots=True)
class PlantClient:
    """Each method is one request, and insists on success."""

    http: httpx2.AsyncClient

    async def create(self, path: str, *, key: str | None = None, **body: Any) -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        return self._of(await self.http.post(f"/{path}", json=body, headers=headers), 201)

    async def read(self, path: str, **query: Any) -> dict[str, Any]:
        return self._of(await self.http.get(f"/{path}", params=query), 200)

    async def change(self, path: str, **body: Any) -> dict[str, Any]:
        return self._of(await self.http.patch(f"/{path}", json=body), 200)

    async def search(self, embedding: list[float], **more: Any) -> list[str]:
        """Return the names of what was found."""
        answer = await self.http.post("/skills/search", json={"embedding": embedding, **more})
        return [hit["skill"]["name"] for hit in self._of(answer, 200)["hits"]]

    @staticmethod
    def _of(answer: httpx2.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        return body


@asynccontextmanager
async def client_of(url: str, tenant: str = "") -> AsyncIterator[PlantClient]:
    """Be a tenant of one's own at a running server."""
    headers = {"X-Tenant": tenant or f"t-{uuid4().hex}", "X-Actor": "tester"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
        yield PlantClient(http)
