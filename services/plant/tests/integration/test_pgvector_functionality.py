"""Embeddings stored, measured, searched and refused."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from plant.caller import Caller
from plant.connector import Connector
from plant.embeddings import DIMENSIONS
from plant.entities import JobRole, Skill
from plant.search import Metric, nearest, nearest_query
from plant_embeddings import anywhere, at_angle
from plant_factories import Factories

pytestmark = pytest.mark.vectors


def four_bytes(numbers: list[float]) -> list[float]:
    """Round as pgvector does."""
    return list(struct.unpack(f"{len(numbers)}f", struct.pack(f"{len(numbers)}f", *numbers)))


async def test_an_embedding_comes_back_as_it_was_stored(session: AsyncSession, make: Factories) -> None:
    embedding = anywhere(1)
    made = await make.skill(embedding_384=embedding)
    session.expunge_all()
    found = await session.get_one(Skill, made.id)
    assert list(found.embedding_384 or ()) == pytest.approx(four_bytes(embedding), rel=1e-6)


async def test_l2_distance_is_the_length_of_the_difference(session: AsyncSession, make: Factories) -> None:
    await make.skill(embedding_384=at_angle(0, length=3))
    distance = select(Skill.embedding_384.l2_distance(at_angle(90, length=4)))
    assert await session.scalar(distance) == pytest.approx(5)


async def test_cosine_distance_is_of_the_direction_alone(session: AsyncSession, make: Factories) -> None:
    await make.skill(embedding_384=at_angle(0, length=3))
    for degrees, expected in ((0, 0.0), (60, 0.5), (90, 1.0), (180, 2.0)):
        distance = select(Skill.embedding_384.cosine_distance(at_angle(degrees, length=7)))
        assert await session.scalar(distance) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", list(Metric))
async def test_a_search_finds_the_nearest_first(
    session: AsyncSession, make: Factories, metric: Metric
) -> None:
    for degrees in (80, 10, 45):
        await make.skill(name=f"{degrees}", embedding_384=at_angle(degrees))
    hits = await nearest(session, at_angle(0), limit=2, metric=metric)
    assert [hit.skill.name for hit in hits] == ["10", "45"]
    expected = {
        Metric.COSINE: 1 - math.cos(math.radians(10)),
        Metric.L2: 2 * math.sin(math.radians(5)),
    }
    assert hits[0].distance == pytest.approx(expected[metric], abs=1e-6)


async def test_a_search_by_cosine_uses_the_index(session: AsyncSession, make: Factories) -> None:
    for seed in range(20):
        await make.skill(embedding_384=anywhere(seed))
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    await session.execute(text("SET LOCAL enable_sort = off"))
    index = "Index Scan using ix_skill_entity_embedding_384"
    assert index in await plan(session, nearest_query(anywhere(99), limit=5, metric=Metric.COSINE))
    assert index not in await plan(session, nearest_query(anywhere(99), limit=5, metric=Metric.L2))


async def plan(session: AsyncSession, query: Select[Any]) -> str:
    """Return how PostgreSQL would run the statement that the service sends."""
    statement = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    return "\n".join(await session.scalars(text(f"EXPLAIN {statement}")))


async def test_a_small_tenant_beside_a_large_one_finds_its_skills(
    connector: Connector, caller: Caller
) -> None:
    """An index scan that stopped at its first forty candidates would see the neighbour's only."""
    neighbour, plane = Caller(tenant=f"{caller.tenant}-2"), 50  # where no other test has skills
    async with connector.session(neighbour) as session:
        for turn in range(100):
            await Factories(session).skill(name=f"{turn}", embedding_384=at_angle(turn * 0.6, plane=plane))
    async with connector.session(caller) as session:
        await Factories(session).skill(name="mine", embedding_384=at_angle(45.3, plane=plane))
    async with connector.session(caller) as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        await session.execute(text("SET LOCAL enable_sort = off"))
        hits = await nearest(session, at_angle(0, plane=plane), limit=1)
    assert [hit.skill.name for hit in hits] == ["mine"]


async def test_a_skill_without_an_embedding_is_kept_and_never_found(
    session: AsyncSession, make: Factories
) -> None:
    made = await make.skill(embedding_384=None)
    await make.skill(name="found", embedding_384=at_angle(5))
    session.expunge_all()
    assert (await session.get_one(Skill, made.id)).embedding_384 is None
    assert [hit.skill.name for hit in await nearest(session, at_angle(0))] == ["found"]


async def test_a_table_may_have_several_embeddings(session: AsyncSession, make: Factories) -> None:
    made = await make.job_role(embedding_384=at_angle(0), requirements_embedding_384=at_angle(90))
    session.expunge_all()
    between = select(JobRole.embedding_384.cosine_distance(JobRole.requirements_embedding_384))
    assert await session.scalar(between.where(JobRole.id == made.id)) == pytest.approx(1)


@pytest.mark.parametrize("dimensions", [DIMENSIONS - 1, DIMENSIONS + 1])
async def test_the_database_insists_on_384_dimensions(
    session: AsyncSession, make: Factories, dimensions: int
) -> None:
    await make.skill()
    embedding = {"embedding": str([1.0] * dimensions)}
    with pytest.raises(DBAPIError, match="expected 384 dimensions"):
        await session.execute(
            text("UPDATE skill_entity SET embedding_384 = CAST(:embedding AS vector)"), embedding
        )


async def test_an_embedding_can_be_replaced_and_the_search_follows(
    session: AsyncSession, make: Factories
) -> None:
    turning = await make.skill(name="turning", embedding_384=at_angle(90))
    await make.skill(name="milling", embedding_384=at_angle(30))
    turning.embedding_384 = at_angle(1)
    await session.commit()
    assert [hit.skill.name for hit in await nearest(session, at_angle(0))] == ["turning", "milling"]


async def test_embeddings_can_be_summed_up_in_the_database(session: AsyncSession, make: Factories) -> None:
    for degrees in (0, 90):
        await make.skill(embedding_384=at_angle(degrees))
    mean = await session.scalar(select(func.avg(Skill.embedding_384).cast(Skill.embedding_384.type)))
    assert list(mean or ())[:3] == pytest.approx([0.5, 0.5, 0.0])
