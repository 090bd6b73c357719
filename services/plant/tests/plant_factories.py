"""Make entities that are valid, and different from each other, but for what a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from plant.entities import Agent, BaseEntity, Industry, JobRole, Skill, Team

E = TypeVar("E", bound=BaseEntity)


@dataclass(frozen=True, slots=True)
class Factories:
    """Each method adds one entity to the session and flushes it."""

    session: AsyncSession
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def skill(self, **values: Any) -> Skill:
        return await self._add(Skill, values, category="metal")

    async def industry(self, **values: Any) -> Industry:
        return await self._add(Industry, values, sector="manufacturing")

    async def team(self, **values: Any) -> Team:
        return await self._add(Team, values, capacity=8)

    async def job_role(self, **values: Any) -> JobRole:
        return await self._add(JobRole, values, seniority="senior")

    async def agent(self, **values: Any) -> Agent:
        return await self._add(Agent, values)

    async def _add(self, kind: type[E], values: dict[str, Any], **standard: Any) -> E:
        name = f"{kind.__name__} {next(self.numbers)}"
        entity = kind(**{"name": name, **standard, **values})
        self.session.add(entity)
        await self.session.flush()
        return entity
