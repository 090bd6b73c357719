"""Engine, extensions, base table, life of a session, time-outs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import URL, inspect, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from plant.caller import Caller
from plant.connector import Connector
from plant.entities import BaseEntity, Industry, Skill
from plant.errors import DatabaseUnavailableError
from plant.settings import PoolLimits, Settings
from plant_factories import Factories

pytestmark = pytest.mark.database


@pytest.fixture
async def silent(settings: Settings) -> AsyncIterator[URL]:
    """Lead to a server that takes connections and never says a word."""
    wait = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wait.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield settings.database_url.set(host="127.0.0.1", port=port, query={})
    wait.set()
    server.close()


async def test_the_engine_speaks_to_postgresql_through_asyncpg(engine: AsyncEngine) -> None:
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "asyncpg")
    async with engine.connect() as connection:
        assert int(await connection.scalar(text("SHOW server_version_num")) or 0) >= 160000


async def test_the_pool_is_made_for_asyncio_and_limited(engine: AsyncEngine) -> None:
    limits = PoolLimits()
    assert isinstance(engine.pool, AsyncAdaptedQueuePool)
    assert (engine.pool.size(), engine.pool.timeout()) == (limits.size, limits.acquire)


async def test_every_connection_carries_the_service_s_settings(engine: AsyncEngine) -> None:
    wanted = {
        "application_name": "plant",
        "synchronous_commit": "on",
        "lock_timeout": "5s",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
    }
    async with engine.connect() as connection:
        found = {name: await connection.scalar(text(f"SHOW {name}")) for name in wanted}
    assert found == wanted


async def test_a_commit_is_on_the_disk_also_where_the_database_s_default_is_otherwise(
    settings: Settings, noxlib_database: Any
) -> None:
    url = make_url(noxlib_database.url("asyncpg"))
    connector = Connector(replace(settings, database_url=url))
    async with connector.engine.begin() as connection:
        await connection.execute(text(f'ALTER DATABASE "{url.database}" SET synchronous_commit = off'))
    await connector.close()
    plain = create_async_engine(url, poolclass=NullPool)
    async with plain.connect() as without, connector.engine.connect() as connection:
        assert await without.scalar(text("SHOW synchronous_commit")) == "off"
        assert await connection.scalar(text("SHOW synchronous_commit")) == "on"
    await plain.dispose()
    await connector.close()


async def test_the_declared_extensions_are_loaded(session: AsyncSession) -> None:
    extensions = set(await session.scalars(text("SELECT extname FROM pg_extension")))
    assert {"vector", "pg_trgm"} <= extensions
    assert await session.scalar(text("SELECT similarity('welder', 'welding') > 0.3"))
    assert await session.scalar(text("SELECT vector_dims('[1,2,3]'::vector)")) == 3


async def test_the_base_table_has_the_columns_and_types_of_every_entity(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        columns = await connection.run_sync(lambda sync: inspect(sync).get_columns("base_entity"))
    found = {column["name"]: column for column in columns}
    assert set(found) == set(BaseEntity.__table__.c.keys())
    assert isinstance(found["id"]["type"], UUID)
    for name in ("created_at", "updated_at"):
        kind = found[name]["type"]
        assert isinstance(kind, TIMESTAMP)
        assert kind.timezone
    nullable = {name for name, column in found.items() if column["nullable"]}
    assert nullable == {"idempotency_key", "fingerprint"}


async def test_a_session_begins_when_it_is_used_and_ends_when_it_is_closed(engine: AsyncEngine) -> None:
    session = AsyncSession(engine)
    assert not session.in_transaction()
    await session.execute(text("SELECT 1"))
    assert session.in_transaction()
    before = engine.pool.checkedout()  # type: ignore[attr-defined]
    await session.close()
    assert not session.in_transaction()
    assert engine.pool.checkedout() == before - 1  # type: ignore[attr-defined]


async def test_a_session_s_context_manager_closes_it_when_the_block_fails(engine: AsyncEngine) -> None:
    session = AsyncSession(engine)

    async def fail() -> None:
        async with session:
            await session.execute(text("SELECT 1"))
            raise LookupError("planted")

    with pytest.raises(LookupError, match="planted"):
        await fail()
    assert not session.in_transaction()


async def test_a_closed_transaction_can_t_be_used_any_more(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        await transaction.rollback()
        with pytest.raises(InvalidRequestError):
            await transaction.commit()


async def test_an_entity_is_created_read_changed_and_removed(session: AsyncSession, make: Factories) -> None:
    made = await make.skill(name="welding", category="metal")
    session.expunge_all()

    found = await session.get_one(Skill, made.id)
    assert (found.name, found.category, found.kind, found.version) == ("welding", "metal", "skill", 1)
    found.category = "joining"
    await session.commit()
    session.expunge_all()

    changed = await session.get_one(Skill, made.id)
    assert (changed.category, changed.version) == ("joining", 2)
    await session.delete(changed)
    await session.commit()
    assert await session.scalar(select(Skill.id).where(Skill.id == made.id)) is None
    assert await session.scalar(select(BaseEntity.id).where(BaseEntity.id == made.id)) is None


async def test_what_is_rolled_back_was_never_there(session: AsyncSession, make: Factories) -> None:
    made = await make.industry()
    await session.rollback()
    assert await session.get(Industry, made.id) is None


@pytest.mark.parametrize("attempt", ["first", "second"])
async def test_no_test_sees_what_another_one_committed(
    session: AsyncSession, make: Factories, attempt: str
) -> None:
    await make.industry(name="the same each time", description=attempt)
    await session.commit()
    assert list(await session.scalars(select(Industry.description))) == [attempt]


async def test_five_connections_work_at_once(engine: AsyncEngine) -> None:
    together = asyncio.Barrier(5) if hasattr(asyncio, "Barrier") else None

    async def backend() -> int:
        async with engine.connect() as connection:
            if together is not None:
                await together.wait()
            else:
                await connection.execute(text("SELECT pg_sleep(0.1)"))
            return int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0)

    assert len(set(await asyncio.gather(*(backend() for _ in range(5))))) == 5


async def test_a_server_that_doesn_t_answer_is_given_up_in_time(settings: Settings, silent: URL) -> None:
    limits = replace(settings.limits, connect=0.2)
    connector = Connector(replace(settings, database_url=silent, limits=limits))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(DatabaseUnavailableError):
        await connector.ping()
    assert 0.15 < asyncio.get_running_loop().time() - begun < 2
    await connector.close()


async def test_a_port_where_nobody_listens_is_unavailability(
    settings: Settings, unused_tcp_port: int
) -> None:
    url = settings.database_url.set(host="127.0.0.1", port=unused_tcp_port, query={})
    connector = Connector(replace(settings, database_url=url))
    with pytest.raises(DatabaseUnavailableError):
        await connector.ping()
    await connector.close()


async def test_a_statement_that_runs_too_long_is_cancelled(settings: Settings, caller: Caller) -> None:
    connector = Connector(replace(settings, limits=replace(settings.limits, statement=0.1)))
    with pytest.raises(DatabaseUnavailableError):
        async with connector.session(caller) as session:
            await session.execute(text("SELECT pg_sleep(5)"))
    async with connector.session(caller) as session:
        assert await session.scalar(text("SELECT 1")) == 1
    await connector.close()
