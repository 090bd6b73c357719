"""Semantic search: the skills that lie nearest to a meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from plant.entities import Skill


class Metric(str, Enum):
    """How distance is measured. Only cosine has an index; l2 looks at every skill, and is exact."""

    COSINE = "cosine"
    L2 = "l2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A skill, and how far it lies from what was asked for: 0 is the same direction or place."""

    skill: Skill
    distance: float


def nearest_query(embedding: Sequence[float], *, limit: int, metric: Metric) -> Select[tuple[Skill, float]]:
    """Return the query for the skills nearest to an embedding, and their distances."""
    column = Skill.embedding_384
    distance = (
        column.cosine_distance(embedding) if metric is Metric.COSINE else column.l2_distance(embedding)
    ).label("distance")
    return select(Skill, distance).where(column.is_not(None)).order_by(distance).limit(limit)


async def nearest(
    session: AsyncSession, embedding: Sequence[float], *, limit: int = 10, metric: Metric = Metric.COSINE
) -> list[Hit]:
    """Return the skills nearest to an embedding, nearest first; those without one are never found."""
    # The index knows nothing of tenants: it has to go on until enough of its hits are visible, else a
    # small tenant beside a large one would find nothing.
    await session.execute(text("SET LOCAL hnsw.iterative_scan = strict_order"))
    found = await session.execute(nearest_query(embedding, limit=limit, metric=metric))
    return [Hit(skill=skill, distance=float(distance)) for skill, distance in found]
