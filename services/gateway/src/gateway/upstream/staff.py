"""plant as the gateway sees it: who can do what."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.embedding import embed
from gateway.fulfilment.roster import Roster
from gateway.hires import Agent
from gateway.upstream.answers import Agents, Hit, Hits, JobRoles, Skill
from gateway.upstream.service import Service

PAGE = 200
MOST_PAGES = 50  # of roles and of agents: a works of ten thousand
LONGEST_LOOK = 2.0  # seconds after which no further page is asked for

P = TypeVar("P", JobRoles, Agents)


class Staff:
    """plant's interface."""

    def __init__(self, service: Service, tenant: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Take who is asked, whose staff it is, and what tells the time."""
        self.service = service
        self._clock = clock
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
        """Return who is idle, by the name of the job role; of a large staff maybe only a part."""
        deadline = self._clock() + LONGEST_LOOK
        role_pages = self._pages("/job-roles", JobRoles, deadline)
        agent_pages = self._pages("/agents", Agents, deadline)
        roles = {role.id: role.name for page in role_pages for role in page.items}
        idle: dict[str, list[Agent]] = {}
        for page in agent_pages:
            for agent in page.items:
                if agent.status == "idle" and agent.job_role_id in roles:
                    found = Agent(id=agent.id, name=agent.name)
                    idle.setdefault(roles[agent.job_role_id], []).append(found)
        return Roster(
            idle={role: tuple(agents) for role, agents in idle.items()},
            whole=role_pages[-1].next is None and agent_pages[-1].next is None,
        )

    def _pages(self, path: str, answer: type[P], deadline: float) -> list[P]:
        """Return one page at least; the last one names a next one where there was more to ask for."""
        pages = [self._page(path, answer, {})]
        while (after := pages[-1].next) is not None and len(pages) < MOST_PAGES and self._clock() < deadline:
            pages.append(self._page(path, answer, {"after": after}))
        return pages

    def _page(self, path: str, answer: type[P], after: dict[str, str]) -> P:
        return self.service.ask("GET", path, answer, headers=self._headers, params={"limit": PAGE, **after})
