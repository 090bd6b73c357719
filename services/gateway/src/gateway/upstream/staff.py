"""plant as the gateway sees it: who can do what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from gateway.embedding import embed
from gateway.fulfilment.roster import Roster
from gateway.hires import Agent
from gateway.upstream.answers import Agents, Hit, Hits, JobRoles, Skill
from gateway.upstream.service import Service

PAGE = 200
MOST_PAGES = 50  # of roles and of agents: a works of ten thousand

P = TypeVar("P", JobRoles, Agents)


class Staff:
    """plant's interface."""

    def __init__(self, service: Service, tenant: str) -> None:
        """Take who is asked, and whose staff it is."""
        self.service = service
        self._headers = {"X-Tenant": tenant, "X-Actor": "gateway"}

    def search(self, text: str, limit: int) -> Sequence[Hit]:
        """Return the skills that a text is nearest to, nearest first."""
        question = {"embedding": embed(text), "limit": limit}
        return self.service.ask("POST", "/skills/search", Hits, headers=self._headers, json=question).hits

    def add_skill(self, name: str, category: str) -> Skill:
        """Create a skill that a search for its name finds; the same again returns the one that is there."""
        key = hashlib.sha256(f"{name}\n{category}".encode()).hexdigest()
        body = {"name": name, "category": category, "embedding": embed(name)}
        headers = {**self._headers, "Idempotency-Key": f"skill-{key}"}
        return self.service.ask("POST", "/skills", Skill, headers=headers, json=body)

    def roster(self) -> Roster:
        """Return who is idle, by the name of the job role."""
        roles = {role.id: role.name for page in self._pages("/job-roles", JobRoles) for role in page.items}
        idle: dict[str, list[Agent]] = {}
        for page in self._pages("/agents", Agents):
            for agent in page.items:
                if agent.status == "idle" and agent.job_role_id in roles:
                    found = Agent(id=agent.id, name=agent.name)
                    idle.setdefault(roles[agent.job_role_id], []).append(found)
        return Roster(idle={role: tuple(agents) for role, agents in idle.items()})

    def _pages(self, path: str, answer: type[P]) -> Iterator[P]:
        after: str | None = ""
        for _ in range(MOST_PAGES):
            query = {"limit": PAGE, **({"after": after} if after else {})}
            page = self.service.ask("GET", path, answer, headers=self._headers, params=query)
            yield page
            after = page.next
            if after is None:
                return
