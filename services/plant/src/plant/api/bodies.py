"""Bodies of requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from plant.embeddings import DIMENSIONS, checked
from plant.entities import Agent, Industry, JobRole, Skill, Team
from plant.fingerprints import fingerprint
from plant.search import Metric

# PostgreSQL's text can't hold NUL; a name is more than white space.
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Embedding = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]],
    Field(min_length=DIMENSIONS, max_length=DIMENSIONS),
    AfterValidator(checked),
]


class Body(BaseModel):
    """Refuse what isn't known: a misspelt key must not be dropped in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewEntity(Body):
    """What every creation has."""

    name: Line
    description: Text = ""

    def fingerprint(self) -> bytes:
        """Return what tells this creation from others."""
        return fingerprint(type(self).__name__, self.model_dump(mode="json"))


class NewSkill(NewEntity):
    """POST /skills."""

    category: Line
    embedding: Embedding | None = None

    def entity(self) -> Skill:
        """Return the skill."""
        return Skill(
            name=self.name,
            description=self.description,
            category=self.category,
            embedding_384=self.embedding,
        )


class NewIndustry(NewEntity):
    """POST /industries."""

    sector: Line

    def entity(self) -> Industry:
        """Return the industry."""
        return Industry(name=self.name, description=self.description, sector=self.sector)


class NewTeam(NewEntity):
    """POST /teams."""

    capacity: Annotated[int, Field(strict=True, ge=1, le=1000)]

    def entity(self) -> Team:
        """Return the team."""
        return Team(name=self.name, description=self.description, capacity=self.capacity)


class NewJobRole(NewEntity):
    """POST /job-roles."""

    seniority: Literal["junior", "senior", "lead"]
    industry_id: UUID | None = None
    embedding: Embedding | None = None
    requirements_embedding: Embedding | None = None

    def entity(self) -> JobRole:
        """Return the job role."""
        return JobRole(
            name=self.name,
            description=self.description,
            seniority=self.seniority,
            industry_id=self.industry_id,
            embedding_384=self.embedding,
            requirements_embedding_384=self.requirements_embedding,
        )


class NewAgent(NewEntity):
    """POST /agents."""

    status: Literal["idle", "active", "retired"] = "idle"
    team_id: UUID | None = None
    job_role_id: UUID | None = None

    def entity(self) -> Agent:
        """Return the agent."""
        return Agent(
            name=self.name,
            description=self.description,
            status=self.status,
            team_id=self.team_id,
            job_role_id=self.job_role_id,
        )


class Change(Body):
    """PATCH: what isn't named stays."""

    version: Annotated[int, Field(strict=True, ge=1)]
    name: Line | None = None
    description: Text | None = None

    def values(self) -> dict[str, Any]:
        """Return what is to change."""
        return self.model_dump(exclude={"version"}, exclude_none=True)


class Question(Body):
    """POST /skills/search."""

    embedding: Embedding
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    metric: Metric = Metric.COSINE
