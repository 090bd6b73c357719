"""POST: create an entity, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Response

from plant import store
from plant.api.answers import AgentBody, IndustryBody, JobRoleBody, SkillBody, TeamBody
from plant.api.bodies import NewAgent, NewIndustry, NewJobRole, NewSkill, NewTeam
from plant.api.resources import Connector, From, IdempotencyKey
from plant.entities import BaseEntity

E = TypeVar("E", bound=BaseEntity)

router = APIRouter(tags=["creation"])


@dataclass(frozen=True, slots=True)
class Creation:
    """The part that all kinds have in common."""

    connector: Connector
    caller: From
    response: Response
    idempotency_key: IdempotencyKey = None

    async def of(self, entity: E, fingerprint: bytes) -> E:
        """Create the entity, or find what an earlier request has created."""
        async with self.connector.session(self.caller) as session:
            created = await store.create(session, entity, fingerprint=fingerprint, key=self.idempotency_key)
        if created.replayed:
            self.response.headers["Idempotency-Replayed"] = "true"
        return created.entity


Creating = Annotated[Creation, Depends()]


@router.post("/skills", status_code=201)
async def create_skill(body: NewSkill, creation: Creating) -> SkillBody:
    """Create a skill."""
    return SkillBody.model_validate(await creation.of(body.entity(), body.fingerprint()))


@router.post("/industries", status_code=201)
async def create_industry(body: NewIndustry, creation: Creating) -> IndustryBody:
    """Create an industry."""
    return IndustryBody.model_validate(await creation.of(body.entity(), body.fingerprint()))


@router.post("/teams", status_code=201)
async def create_team(body: NewTeam, creation: Creating) -> TeamBody:
    """Create a team."""
    return TeamBody.model_validate(await creation.of(body.entity(), body.fingerprint()))


@router.post("/job-roles", status_code=201)
async def create_job_role(body: NewJobRole, creation: Creating) -> JobRoleBody:
    """Create a job role."""
    return JobRoleBody.model_validate(await creation.of(body.entity(), body.fingerprint()))


@router.post("/agents", status_code=201)
async def create_agent(body: NewAgent, creation: Creating) -> AgentBody:
    """Create an agent."""
    return AgentBody.model_validate(await creation.of(body.entity(), body.fingerprint()))
