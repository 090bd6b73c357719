"""What the gateway reads of the upstreams' answers. What it doesn't read may change: it is ignored."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True)


class Transfer(Answer):
    """cs1's POST /transfers."""

    id: UUID


class Balance(Answer):
    """cs1's GET /accounts/{id}/balance."""

    account: UUID
    currency: str
    balance: int
    entries: int


class Skill(Answer):
    """plant's skills."""

    id: UUID
    name: str
    category: str


class Hit(Answer):
    """A skill that a search found."""

    skill: Skill
    distance: float = Field(ge=-1e-6)  # rounding may take a zero below it


class Hits(Answer):
    """plant's POST /skills/search, nearest first."""

    hits: Sequence[Hit]


class JobRole(Answer):
    """One of plant's GET /job-roles."""

    id: UUID
    name: str


class JobRoles(Answer):
    """A page of job roles."""

    items: Sequence[JobRole]
    next: str | None


class Agent(Answer):
    """One of plant's GET /agents."""

    id: UUID
    name: str
    status: str
    job_role_id: UUID | None


class Agents(Answer):
    """A page of agents."""

    items: Sequence[Agent]
    next: str | None
