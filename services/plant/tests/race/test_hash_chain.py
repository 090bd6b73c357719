"""Writers who append to one audit trail at the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from plant import store
from plant.audit import trail
from plant.audit.chain import Verdict
from plant.caller import Caller
from plant.connector import SNAPSHOT, Connector
from plant.entities import Team
from plant.errors import DatabaseUnavailableError
from plant.fingerprints import fingerprint
from plant.settings import Settings

WRITERS = 8
ROUNDS = 5


async def append(connector: Connector, caller: Caller, name: str, isolation: str | None = None) -> None:
    async with connector.session(caller, isolation=isolation) as session:
        session.add(Team(name=name, capacity=1))


async def checked(connector: Connector, caller: Caller) -> Verdict:
    async with connector.session(caller, isolation=SNAPSHOT, read_only=True) as session:
        return await trail.check(session)


async def at_once(work: Callable[[int], Any]) -> Counter[str]:
    """Let eight writers go on at the same moment; count how they ended."""
    waiting, go = 0, asyncio.Event()

    async def run(number: int) -> str:
        nonlocal waiting
        waiting += 1
        if waiting == WRITERS:
            go.set()
        await go.wait()
        try:
            await work(number)
        except DatabaseUnavailableError as error:
            return str(getattr(error.__cause__.orig, "sqlstate", ""))  # type: ignore[union-attr]
        except DBAPIError as error:
            return str(getattr(error.orig, "sqlstate", ""))
        return "appended"

    return Counter(await asyncio.gather(*(run(number) for number in range(WRITERS))))


@pytest.mark.parametrize("_round", range(ROUNDS))
async def test_writers_at_once_make_one_chain_without_a_fork(
    connector: Connector, caller: Caller, _round: int
) -> None:
    endings = await at_once(lambda number: append(connector, caller, f"team {number}"))
    assert endings == {"appended": WRITERS}
    verdict = await checked(connector, caller)
    assert (verdict.intact, verdict.records) == (True, WRITERS)


async def test_writers_with_an_old_snapshot_give_way_and_never_fork(
    connector: Connector, caller: Caller
) -> None:
    await append(connector, caller, "the head is there")
    endings = await at_once(lambda number: append(connector, caller, f"team {number}", SNAPSHOT))
    assert set(endings) <= {"appended", "40001"}
    assert endings["appended"] >= 1
    verdict = await checked(connector, caller)
    assert (verdict.intact, verdict.records) == (True, 1 + endings["appended"])


@pytest.fixture
async def unlocked(noxlib_database: Any, settings: Settings) -> AsyncIterator[Connector]:
    """Have a database of the test's own, whose chain is appended to without the lock."""
    url = make_url(noxlib_database.url("asyncpg"))
    connector = Connector(replace(settings, database_url=url))
    async with connector.engine.begin() as connection:
        source = str(await connection.scalar(text("SELECT pg_get_functiondef('audit_append'::regproc)")))
        assert " FOR UPDATE" in source
        await connection.execute(text(source.replace(" FOR UPDATE", "").replace(":", "\\:")))
    yield connector
    await connector.close()


async def test_without_the_lock_the_same_writers_collide(unlocked: Connector, caller: Caller) -> None:
    """The planted defect: it shows that the tests above meet the race at all."""
    await append(unlocked, caller, "the head is there")
    for turn in range(20):
        endings = await at_once(lambda number, turn=turn: append(unlocked, caller, f"{turn}/{number}"))  # type: ignore[misc]
        if endings["appended"] < WRITERS:
            # The primary key and the unique link to the record before are the second guard.
            assert set(endings) == {"appended", "23505"}
            return
    pytest.fail("no two writers met within 20 rounds")


async def test_a_check_while_others_write_raises_no_false_alarm(connector: Connector, caller: Caller) -> None:
    done = asyncio.Event()

    async def write() -> None:
        for turn in range(25):
            await append(connector, caller, f"team {turn}")
        done.set()

    async def watch() -> list[int]:
        counts = []
        while not done.is_set():
            verdict = await checked(connector, caller)
            assert verdict.intact, verdict
            counts.append(verdict.records)
        return counts

    _, counts = await asyncio.gather(write(), watch())
    assert counts == sorted(counts)
    assert len(set(counts)) > 1, "no check met the writer"


@dataclass
class Shared:
    """What coroutines share that create the same entity, in a tenant of this run's own."""

    settings: Settings
    caller: Caller
    seen: list[tuple[str, bool]]


async def create_the_same(shared: Shared) -> None:
    # An event loop of its own for each run: a pool of its own, too.
    connector = Connector(shared.settings)
    try:
        async with connector.session(shared.caller) as session:
            body = {"name": "night shift"}
            made = await store.create(
                session, Team(capacity=1, **body), fingerprint=fingerprint("team", body), key="order-7"
            )
            shared.seen.append((str(made.entity.id), made.replayed))
    finally:
        await connector.close()


def test_whoever_asks_first_one_entity_is_created(
    noxlib_race_asyncio: Callable[..., None], settings: Settings, caller: Caller
) -> None:
    runs = iter(range(100))

    def setup() -> Shared:
        return Shared(settings, replace(caller, tenant=f"{caller.tenant}-{next(runs)}"), [])

    def check(shared: Shared) -> None:
        assert len({entity for entity, _ in shared.seen}) == 1
        assert sorted(replayed for _, replayed in shared.seen) == [False, True, True]

    noxlib_race_asyncio(*[create_the_same] * 3, setup=setup, check=check, seeds=10)
