"""The connector's pool: size, overflow, waiting, exhaustion, recovery, figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from plant.caller import Caller
from plant.connector import Connector
from plant.entities import Team
from plant.errors import DatabaseUnavailableError
from plant.settings import PoolLimits, Settings
from plant_database_fixtures import SMALL, connector_with
from plant_factories import Factories

pytestmark = pytest.mark.pooling


async def backend(session: AsyncSession) -> int:
    return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


@asynccontextmanager
async def held(connector: Connector, caller: Caller, count: int) -> AsyncIterator[list[int]]:
    """Hold some connections; return their backends' process ids."""
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connector.session(caller)) for _ in range(count)]
        yield [await backend(each) for each in sessions]


async def test_no_connection_is_opened_before_it_is_needed(small: Connector) -> None:
    assert small.metrics().opened == 0
    await small.ping()
    assert small.metrics().opened == 1


async def test_the_pool_keeps_its_size_and_closes_the_overflow(small: Connector, caller: Caller) -> None:
    async with held(small, caller, SMALL.most):
        figures = small.metrics()
        assert (figures.size, figures.checked_out, figures.overflow) == (2, 3, 1)
    figures = small.metrics()
    assert (figures.checked_out, figures.idle, figures.overflow) == (0, 2, 0)


async def test_connections_in_use_are_different_ones(small: Connector, caller: Caller) -> None:
    async with held(small, caller, 3) as backends:
        assert len(set(backends)) == 3


async def test_a_connection_that_came_back_is_used_again(small: Connector, caller: Caller) -> None:
    found = []
    for _ in range(5):
        async with small.session(caller) as session:
            found.append(await backend(session))
    assert len(set(found)) == 1
    assert (small.metrics().opened, small.metrics().acquired) == (1, 5)


async def test_callers_beyond_the_limit_wait_their_turn(settings: Settings, caller: Caller) -> None:
    limits = PoolLimits(size=2, overflow=0, acquire=5.0)
    async with connector_with(settings, limits) as connector:

        async def work() -> None:
            async with connector.session(caller) as session:
                await session.execute(text("SELECT pg_sleep(0.02)"))

        await asyncio.gather(*(work() for _ in range(10)))
        figures = connector.metrics()
    assert (figures.peak, figures.opened, figures.acquired, figures.timeouts) == (2, 2, 10, 0)
    assert figures.waited > 0.02


async def test_an_exhausted_pool_is_unavailability_in_time(small: Connector, caller: Caller) -> None:
    clock = asyncio.get_running_loop().time
    async with held(small, caller, SMALL.most):
        begun = clock()
        with pytest.raises(DatabaseUnavailableError):
            await small.ping()
        assert SMALL.acquire * 0.9 < clock() - begun < SMALL.acquire + 1
    assert small.metrics().timeouts == 1


async def test_a_pool_recovers_from_exhaustion(small: Connector, caller: Caller) -> None:
    async with held(small, caller, SMALL.most):
        with pytest.raises(DatabaseUnavailableError):
            await small.ping()
    async with held(small, caller, SMALL.most):
        assert small.metrics().checked_out == SMALL.most
    await small.ping()
    assert small.metrics().checked_out == 0


async def test_who_waits_gets_the_connection_that_is_given_back(small: Connector, caller: Caller) -> None:
    async with held(small, caller, SMALL.most - 1):
        async with small.session(caller):
            waiting = asyncio.create_task(small.ping())
            await asyncio.sleep(SMALL.acquire / 4)
            assert not waiting.done()
        await waiting
    assert small.metrics().longest_wait >= SMALL.acquire / 5


async def test_a_caller_who_stops_waiting_takes_nothing_along(small: Connector, caller: Caller) -> None:
    async with held(small, caller, SMALL.most):
        waiting = asyncio.create_task(small.ping())
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with held(small, caller, SMALL.most):
        assert small.metrics().checked_out == SMALL.most


@pytest.mark.parametrize("fault", ["in the caller", "in the statement"])
async def test_a_failed_block_gives_its_connection_back_clean(
    small: Connector, caller: Caller, fault: str
) -> None:
    async def fail() -> None:
        async with small.session(caller) as session:
            await Factories(session).team(name="half done")
            if fault == "in the caller":
                raise LookupError("planted")
            await session.execute(text("SELECT nonsense"))

    with pytest.raises((LookupError, ProgrammingError)):
        await fail()
    assert small.metrics().checked_out == 0
    async with small.session(caller) as session:
        assert not await session.scalar(text("SELECT count(*) FROM base_entity"))
        assert await session.scalar(text("SHOW transaction_isolation")) == "read committed"


async def test_a_cancelled_block_gives_its_connection_back(small: Connector, caller: Caller) -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with small.session(caller) as session:
            started.set()
            await session.execute(text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(work())
    await started.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert small.metrics().checked_out == 0
    await small.ping()


async def test_a_connection_that_the_server_ended_is_replaced_unseen(
    small: Connector, caller: Caller, engine: AsyncEngine
) -> None:
    async with small.session(caller) as session:
        before = await backend(session)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
    async with small.session(caller) as session:
        assert await backend(session) != before
    assert small.metrics().opened == 2


async def test_a_connection_that_ends_within_a_block_is_unavailability(
    small: Connector, caller: Caller
) -> None:
    async def end() -> None:
        async with small.session(caller) as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailableError):
        await end()
    assert (small.metrics().checked_out, small.metrics().lost) == (0, 1)
    await small.ping()


async def test_sessions_nest_and_each_has_a_transaction_of_its_own(small: Connector, caller: Caller) -> None:
    async with small.session(caller) as outer:
        await Factories(outer).team(name="outer")
        async with small.session(Caller(tenant=f"{caller.tenant}-2")) as inner:
            assert await backend(inner) != await backend(outer)
            assert not await inner.scalar(text("SELECT count(*) FROM team_entity"))
        assert await outer.scalar(text("SELECT count(*) FROM team_entity")) == 1


async def test_the_figures_add_up(small: Connector, caller: Caller) -> None:
    async with held(small, caller, 3):
        assert small.metrics().peak == 3
    figures = small.metrics()
    assert (figures.opened, figures.acquired, figures.returned, figures.lost) == (3, 3, 3, 0)
    assert 0 < figures.longest_wait <= figures.waited < 10


async def test_a_reader_can_t_write(small: Connector, caller: Caller) -> None:
    async with small.session(caller, read_only=True) as session:
        with pytest.raises(Exception, match="read-only transaction"):
            await Factories(session).team()
        await session.rollback()
    async with small.session(caller) as session:  # and the next user of the connection can
        await Factories(session).team()


async def test_readers_and_a_writer_don_t_wait_for_each_other(small: Connector, caller: Caller) -> None:
    async with small.session(caller) as session:
        made = await Factories(session).team(name="before")

    async def read() -> Any:
        async with small.session(caller, read_only=True) as session:
            return (await session.get_one(Team, made.id)).name

    async with small.session(caller) as writer:
        (await writer.get_one(Team, made.id)).name = "after"
        await writer.flush()
        assert [await asyncio.wait_for(read(), 5) for _ in range(2)] == ["before", "before"]
    assert await read() == "after"


async def test_a_closed_connector_has_closed_its_connections(
    settings: Settings, caller: Caller, engine: AsyncEngine
) -> None:
    connector = Connector(settings)
    async with held(connector, caller, 2) as backends:
        pass
    await connector.close()
    query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:pids)")
    async with engine.connect() as connection:
        for _ in range(100):
            if not await connection.scalar(query, {"pids": backends}):
                break
            await asyncio.sleep(0.02)
        assert await connection.scalar(query, {"pids": backends}) == 0
