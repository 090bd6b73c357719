"""The entities: one table for what all have, one for what each kind has (joined inheritance).

The migrations create the tables with their checks, triggers and policies; a test compares the two.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from plant.embeddings import DIMENSIONS

TENANT = func.current_setting("plant.tenant", True)  # null, not an error, where it isn't set
NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Base(DeclarativeBase):
    """Names every constraint: a migration has to call them by name."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {str: Text, datetime: DateTime(timezone=True)}


class BaseEntity(Base):
    """What every entity has. `version` counts its changes, and refuses one made on an old reading."""

    __tablename__ = "base_entity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant: Mapped[str] = mapped_column(server_default=TENANT)
    kind: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__: Any = (
        UniqueConstraint("tenant", "kind", "name"),
        UniqueConstraint("tenant", "idempotency_key"),
        Index("ix_base_entity_name", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
        CheckConstraint("tenant ~ '^[a-z0-9-]{1,63}$'", name="tenant"),
        CheckConstraint("kind IN ('skill', 'industry', 'team', 'job_role', 'agent')", name="kind"),
        CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name="name"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
    )
    __mapper_args__ = {
        "polymorphic_on": "kind",
        "version_id_col": version,
        "eager_defaults": True,  # no attribute may need a query of its own: asyncio has no lazy loads
    }


def _base_id() -> Mapped[UUID]:
    return mapped_column(ForeignKey("base_entity.id", ondelete="CASCADE"), primary_key=True)


class Skill(BaseEntity):
    """What somebody can do, and where that lies in the space of meanings."""

    __tablename__ = "skill_entity"

    id: Mapped[UUID] = _base_id()
    category: Mapped[str]
    embedding_384: Mapped[list[float] | None] = mapped_column(VECTOR(DIMENSIONS))

    __table_args__: Any = (
        CheckConstraint("btrim(category) <> ''", name="category"),
        Index(
            "ix_skill_entity_embedding_384",
            "embedding_384",
            postgresql_using="hnsw",
            postgresql_ops={"embedding_384": "vector_cosine_ops"},
        ),
    )
    __mapper_args__ = {"polymorphic_identity": "skill"}


class Industry(BaseEntity):
    """A branch of the economy."""

    __tablename__ = "industry_entity"

    id: Mapped[UUID] = _base_id()
    sector: Mapped[str]

    __table_args__: Any = (CheckConstraint("btrim(sector) <> ''", name="sector"),)
    __mapper_args__ = {"polymorphic_identity": "industry"}


class Team(BaseEntity):
    """Agents who work together."""

    __tablename__ = "team_entity"

    id: Mapped[UUID] = _base_id()
    capacity: Mapped[int]

    __table_args__: Any = (CheckConstraint("capacity BETWEEN 1 AND 1000", name="capacity"),)
    __mapper_args__ = {"polymorphic_identity": "team"}


class JobRole(BaseEntity):
    """What an agent is employed for. One embedding for what it is, one for what it asks for."""

    __tablename__ = "job_role_entity"

    id: Mapped[UUID] = _base_id()
    seniority: Mapped[str]
    industry_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("industry_entity.id", ondelete="RESTRICT"), index=True
    )
    embedding_384: Mapped[list[float] | None] = mapped_column(VECTOR(DIMENSIONS))
    requirements_embedding_384: Mapped[list[float] | None] = mapped_column(VECTOR(DIMENSIONS))

    __table_args__: Any = (CheckConstraint("seniority IN ('junior', 'senior', 'lead')", name="seniority"),)
    __mapper_args__ = {"polymorphic_identity": "job_role"}


class Agent(BaseEntity):
    """Somebody, or something, that works."""

    __tablename__ = "agent_entity"

    id: Mapped[UUID] = _base_id()
    status: Mapped[str] = mapped_column(default="idle", server_default="idle")
    team_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("team_entity.id", ondelete="RESTRICT"), index=True
    )
    job_role_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("job_role_entity.id", ondelete="RESTRICT"), index=True
    )

    __table_args__: Any = (CheckConstraint("status IN ('idle', 'active', 'retired')", name="status"),)
    __mapper_args__ = {"polymorphic_identity": "agent"}


# Which entities a column of another one refers to: what a body names has to be visible to its caller.
REFERENCES: dict[str, type[BaseEntity]] = {"industry_id": Industry, "team_id": Team, "job_role_id": JobRole}
