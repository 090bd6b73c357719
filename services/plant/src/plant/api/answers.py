"""Bodies of answers. An embedding is shown as the fact that there is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json

from plant.audit.chain import Break

Present = Annotated[bool, BeforeValidator(lambda value: value is not None)]
Hex = Annotated[str, BeforeValidator(bytes.hex)]


class Answer(BaseModel):
    """Made from the attributes of what is shown."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class EntityBody(Answer):
    """What every entity shows."""

    id: UUID
    kind: str
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime


class SkillBody(EntityBody):
    """A skill."""

    category: str
    has_embedding: Present = Field(validation_alias="embedding_384")


class IndustryBody(EntityBody):
    """An industry."""

    sector: str


class TeamBody(EntityBody):
    """A team."""

    capacity: int


class JobRoleBody(EntityBody):
    """A job role."""

    seniority: str
    industry_id: UUID | None
    has_embedding: Present = Field(validation_alias="embedding_384")
    has_requirements_embedding: Present = Field(validation_alias="requirements_embedding_384")


class AgentBody(EntityBody):
    """An agent."""

    status: str
    team_id: UUID | None
    job_role_id: UUID | None


class HitBody(Answer):
    """A skill that was found."""

    skill: SkillBody
    distance: float


class HitsBody(Answer):
    """What a search found, nearest first."""

    hits: Sequence[HitBody]


class RecordBody(Answer):
    """One record of the audit trail."""

    sequence: int
    entity_id: UUID
    kind: str
    action: str
    version: int
    actor: str
    payload: Json[dict[str, Any]]
    recorded_at: datetime
    previous_hash: Hex
    record_hash: Hex


class TrailBody(Answer):
    """A page of the audit trail; `next` is the `after` of the page that follows."""

    records: Sequence[RecordBody]
    next: int | None


class FaultBody(Answer):
    """Where a chain is broken, and how."""

    sequence: int
    kind: Break


class VerdictBody(Answer):
    """What a check of the whole chain found."""

    intact: bool
    records: int
    head: Hex
    faults: Sequence[FaultBody]
