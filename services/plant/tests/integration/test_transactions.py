"""Commit, rollback, isolation, deadlock, savepoints, foreign keys and cascades, with real commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from plant import store
from plant.audit.tables import AuditRecord
from plant.caller import Caller
from plant.connector import Connector
from plant.entities import BaseEntity, Industry, Skill, Team
from plant.errors import DatabaseUnavailableError, InUseError, StaleVersionError
from plant.settings import Settings
from plant_factories import Factories

pytestmark = pytest.mark.transactions


@pytest.fixture
async def team(connector: Connector, caller: Caller) -> Team:
    """Have a committed team of capacity 8."""
    async with connector.session(caller) as session:
        return await Factories(session).team(name="night shift", capacity=8)


async def capacity(session: AsyncSession, team: Team) -> int:
    return int(await session.scalar(select(Team.capacity).where(Team.id == team.id)) or 0)


async def set_capacity(session: AsyncSession, team: Team, value: int) -> None:
    """Change a row by a statement: the ORM would look at the version before the database has to."""
    statement = text("UPDATE team_entity SET capacity = :value WHERE id = :id")
    await session.execute(statement, {"value": value, "id": team.id})
    await record(session, team)


async def record(session: AsyncSession, team: Team) -> None:
    """Write what the database insists on, and the ORM would have written."""
    statement = insert(AuditRecord).values(
        entity_id=team.id, kind="team", action="update", version=1, actor="tester", payload={}
    )
    await session.execute(statement)


async def teams(session: AsyncSession) -> int:
    return int(await session.scalar(select(func.count()).select_from(Team)) or 0)


async def sqlstate(work: Any) -> str:
    """Await what must fail, and return PostgreSQL's code."""
    with pytest.raises(DBAPIError) as caught:
        await work
    return str(getattr(caught.value.orig, "sqlstate", ""))


async def test_what_is_committed_is_there_for_others(connector: Connector, caller: Caller) -> None:
    async with connector.session(caller) as session:
        await Factories(session).team()
    async with connector.session(caller) as session:
        assert await teams(session) == 1


async def test_what_fails_is_rolled_back_as_a_whole(connector: Connector, caller: Caller) -> None:
    async def fail() -> None:
        async with connector.session(caller) as session:
            await Factories(session).team()
            await Factories(session).industry()
            raise LookupError("planted")

    with pytest.raises(LookupError):
        await fail()
    async with connector.session(caller) as session:
        assert await session.scalar(select(func.count()).select_from(BaseEntity)) == 0


async def test_nothing_uncommitted_is_ever_read(connector: Connector, caller: Caller, team: Team) -> None:
    # READ COMMITTED, the least that there is: PostgreSQL's READ UNCOMMITTED is the same.
    async with connector.session(caller) as writer, connector.session(caller) as reader:
        await set_capacity(writer, team, 99)
        assert (await capacity(writer, team), await capacity(reader, team)) == (99, 8)


@pytest.mark.parametrize(("isolation", "second_reading"), [("READ COMMITTED", 99), ("REPEATABLE READ", 8)])
async def test_a_reading_repeats_from_repeatable_read_on(
    connector: Connector, caller: Caller, team: Team, isolation: str, second_reading: int
) -> None:
    async with connector.session(caller, isolation=isolation) as reader:
        assert await capacity(reader, team) == 8
        async with connector.session(caller) as writer:
            await set_capacity(writer, team, 99)
        assert await capacity(reader, team) == second_reading


@pytest.mark.parametrize(("isolation", "second_count"), [("READ COMMITTED", 2), ("REPEATABLE READ", 1)])
@pytest.mark.usefixtures("team")
async def test_phantoms_appear_below_repeatable_read(
    connector: Connector, caller: Caller, isolation: str, second_count: int
) -> None:
    async with connector.session(caller, isolation=isolation) as reader:
        assert await teams(reader) == 1
        async with connector.session(caller) as writer:
            await Factories(writer).team(name="a phantom")
        assert await teams(reader) == second_count


async def test_a_write_on_an_old_snapshot_fails_to_serialize(
    connector: Connector, caller: Caller, team: Team
) -> None:
    async with connector.session(caller, isolation="REPEATABLE READ") as late:
        assert await capacity(late, team) == 8
        async with connector.session(caller) as early:
            await set_capacity(early, team, 9)
        assert await sqlstate(set_capacity(late, team, 10)) == "40001"
        await late.rollback()
    async with connector.session(caller) as session:
        assert await capacity(session, team) == 9


@pytest.fixture
async def unrecorded(noxlib_database: Any, settings: Settings) -> AsyncIterator[Connector]:
    """Have a database of the test's own that doesn't insist on records."""
    connector = Connector(replace(settings, database_url=make_url(noxlib_database.url("asyncpg"))))
    async with connector.engine.begin() as connection:
        for table in ("base_entity", "industry_entity"):
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER recorded"))
    yield connector
    await connector.close()


async def test_write_skew_passes_at_repeatable_read_and_fails_at_serializable(
    unrecorded: Connector, caller: Caller
) -> None:
    """Each counts the industries and adds one: in no order would both have counted the same."""

    async def both_add(isolation: str, name: str) -> None:
        async with (
            unrecorded.session(caller, isolation=isolation) as first,
            unrecorded.session(caller, isolation=isolation) as second,
        ):
            for each in (first, second):
                assert await each.scalar(select(func.count()).select_from(Industry)) is not None
            await add_base_row(first, f"{name} 1")
            await add_base_row(second, f"{name} 2")

    await both_add("REPEATABLE READ", "skewed")
    with pytest.raises(DatabaseUnavailableError) as caught:
        await both_add("SERIALIZABLE", "serial")
    assert getattr(caught.value.__cause__.orig, "sqlstate", "") == "40001"  # type: ignore[union-attr]


async def add_base_row(session: AsyncSession, name: str) -> None:
    """Add an industry beside the trail, whose lock would decide before the database has to."""
    statement = """WITH base AS (INSERT INTO base_entity (id, kind, name)
      VALUES (gen_random_uuid(), 'industry', :name) RETURNING id) SELECT id FROM base"""
    entity_id = await session.scalar(text(statement), {"name": name})
    await session.execute(
        text("INSERT INTO industry_entity (id, sector) VALUES (:id, 'x')"), {"id": entity_id}
    )


async def test_of_two_who_change_what_they_read_the_second_is_told(
    connector: Connector, caller: Caller, team: Team
) -> None:
    async def change(name: str) -> int:
        async with connector.session(caller) as session:
            return (await store.change(session, Team, team.id, 1, {"name": name})).version

    endings = await asyncio.gather(*(change(f"name {n}") for n in range(5)), return_exceptions=True)
    assert [each for each in endings if isinstance(each, int)] == [2]
    assert sum(isinstance(each, StaleVersionError) for each in endings) == 4


async def test_of_two_who_wait_for_each_other_one_gives_way(connector: Connector, caller: Caller) -> None:
    async with connector.session(caller) as session:
        pair = [await Factories(session).team(name=name) for name in ("a", "b")]
    both_hold = [asyncio.Event(), asyncio.Event()]

    async def lock(mine: int) -> str:
        other = 1 - mine
        try:
            async with connector.session(caller) as session:
                await hold(session, pair[mine])
                both_hold[mine].set()
                await both_hold[other].wait()
                await hold(session, pair[other])
                for each in pair:
                    await set_capacity(session, each, 20 + mine)
        except DatabaseUnavailableError as error:
            return str(getattr(error.__cause__.orig, "sqlstate", ""))  # type: ignore[union-attr]
        return "committed"

    assert sorted(await asyncio.gather(lock(0), lock(1))) == ["40P01", "committed"]
    async with connector.session(caller) as session:
        assert len({await capacity(session, each) for each in pair}) == 1


async def hold(session: AsyncSession, team: Team) -> None:
    """Lock a row, and not the trail's head, which would make the second one wait before it holds anything."""
    await session.execute(text("SELECT FROM team_entity WHERE id = :id FOR UPDATE"), {"id": team.id})


async def test_a_savepoint_takes_back_its_part_alone(session: AsyncSession, make: Factories) -> None:
    await make.team(name="before")
    savepoint = await session.begin_nested()
    await make.team(name="within")
    await savepoint.rollback()
    await make.team(name="after")
    await session.commit()
    assert list(await session.scalars(select(Team.name).order_by(Team.name))) == ["after", "before"]


async def test_savepoints_nest(session: AsyncSession, make: Factories) -> None:
    async with session.begin_nested():
        await make.team(name="outer")
        inner = await session.begin_nested()
        await make.team(name="inner")
        await inner.rollback()
    assert list(await session.scalars(select(Team.name))) == ["outer"]


async def test_after_a_failed_statement_only_a_savepoint_goes_on(
    session: AsyncSession, make: Factories
) -> None:
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await make.team(capacity=0)
    await make.team(name="goes on")
    with pytest.raises(DBAPIError):
        await session.execute(text("SELECT nonsense"))
    assert await sqlstate(session.execute(text("SELECT 1"))) == "25P02"


async def test_a_foreign_key_needs_its_row(session: AsyncSession) -> None:
    statement = "INSERT INTO agent_entity (id, team_id) SELECT id, id FROM base_entity"
    skill = Skill(name="welding", category="metal")
    session.add(skill)
    await session.flush()
    # Row-level security would hide what is missing, and refuse first.
    await session.execute(text("ALTER TABLE agent_entity NO FORCE ROW LEVEL SECURITY"))
    with pytest.raises(IntegrityError, match="fk_agent_entity_team_id"):
        await session.execute(text(statement))


async def test_what_is_referred_to_can_t_go(session: AsyncSession, make: Factories) -> None:
    team = await make.team()
    agent = await make.agent(team_id=team.id)
    with pytest.raises(InUseError):
        async with session.begin_nested():
            await store.remove(session, Team, team.id)
    await store.remove(session, type(agent), agent.id)
    await store.remove(session, Team, team.id)
    assert await teams(session) == 0


async def test_a_base_row_that_goes_takes_its_kind_s_row_along(
    session: AsyncSession, make: Factories
) -> None:
    gone, stays = await make.skill(), await make.skill()
    await session.execute(text("DELETE FROM base_entity WHERE id = :id"), {"id": gone.id})
    left = list(await session.scalars(text("SELECT id FROM skill_entity")))
    assert [str(each) for each in left] == [str(stays.id)]


async def test_concurrent_additions_all_count(connector: Connector, caller: Caller, team: Team) -> None:
    async def grow() -> None:
        async with connector.session(caller) as session:
            statement = update(Team.__table__).where(Team.__table__.c.id == team.id)  # type: ignore[arg-type]
            await session.execute(statement.values(capacity=Team.__table__.c.capacity + 1))
            await record(session, team)

    await asyncio.gather(*(grow() for _ in range(10)))
    async with connector.session(caller) as session:
        assert await capacity(session, team) == 18
