"""An entity that is removed at the moment in which others change it, or refer to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from sqlalchemy import text

from plant import store
from plant.caller import Caller
from plant.connector import Connector
from plant.entities import Agent, Team
from plant.errors import InUseError, NotFoundError, PlantError, StaleVersionError, UnknownReferenceError
from plant.settings import Settings

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def add_team(connector: Connector, caller: Caller) -> Team:
    async with connector.session(caller) as session:
        return (
            await store.create(session, Team(name="night shift", capacity=1), fingerprint=bytes(32))
        ).entity


async def rename(connector: Connector, caller: Caller, team: Team) -> None:
    async with connector.session(caller) as session:
        await store.change(session, Team, team.id, 1, {"name": "day shift"})


async def remove(connector: Connector, caller: Caller, team: Team) -> None:
    async with connector.session(caller) as session:
        await store.remove(session, Team, team.id)


async def refer(connector: Connector, caller: Caller, team: Team) -> None:
    async with connector.session(caller) as session:
        await store.create(session, Agent(name="Anna", team_id=team.id), fingerprint=bytes(32))


async def until_it_waits(connector: Connector, task: asyncio.Task[None]) -> None:
    """Return when the task's statement waits for a lock; fail when the task ends instead."""
    while True:
        async with connector.engine.connect() as connection:
            if await connection.scalar(text(WAITING)):
                return
        assert not task.done(), task
        await asyncio.sleep(0.01)


async def test_what_is_changed_at_the_moment_is_removed_all_the_same(
    connector: Connector, caller: Caller
) -> None:
    team = await add_team(connector, caller)
    async with connector.session(caller) as session:
        await store.change(session, Team, team.id, 1, {"name": "day shift"})
        removing = asyncio.create_task(remove(connector, caller, team))
        await until_it_waits(connector, removing)
    await removing
    with pytest.raises(NotFoundError):
        await remove(connector, caller, team)


async def test_of_two_who_remove_the_same_the_second_finds_nothing(
    connector: Connector, caller: Caller
) -> None:
    team = await add_team(connector, caller)
    async with connector.session(caller) as session:
        await store.remove(session, Team, team.id)
        removing = asyncio.create_task(remove(connector, caller, team))
        await until_it_waits(connector, removing)
    with pytest.raises(NotFoundError):
        await removing


async def test_a_reference_to_what_is_being_removed_is_unknown(connector: Connector, caller: Caller) -> None:
    team = await add_team(connector, caller)
    async with connector.session(caller) as session:
        await store.remove(session, Team, team.id)
        referring = asyncio.create_task(refer(connector, caller, team))
        await until_it_waits(connector, referring)
    with pytest.raises(UnknownReferenceError):
        await referring


async def test_what_is_being_referred_to_stays(connector: Connector, caller: Caller) -> None:
    team = await add_team(connector, caller)
    async with connector.session(caller) as session:
        await store.create(session, Agent(name="Anna", team_id=team.id), fingerprint=bytes(32))
        removing = asyncio.create_task(remove(connector, caller, team))
        await until_it_waits(connector, removing)
    with pytest.raises(InUseError):
        await removing


@dataclass
class Shared:
    """What the coroutines of one run share: a team in a tenant of the run's own."""

    settings: Settings
    caller: Caller
    team: Team
    endings: dict[str, type[PlantError] | None] = field(default_factory=dict)

    async def note(self, work: Callable[..., object]) -> None:
        connector = Connector(self.settings)  # an event loop of its own for each run: a pool, too
        try:
            await work(connector, self.caller, self.team)  # type: ignore[misc]
            self.endings[work.__name__] = None
        except PlantError as error:
            self.endings[work.__name__] = type(error)
        finally:
            await connector.close()


def each_of(*works: Callable[..., object]) -> list[Callable[[Shared], object]]:
    return [lambda shared, work=work: shared.note(work) for work in works]  # type: ignore[misc]


def test_whoever_comes_first_every_ending_is_a_true_one(
    noxlib_race_asyncio: Callable[..., None], settings: Settings, caller: Caller
) -> None:
    runs, seen = count(), Counter[str]()

    def setup() -> Shared:
        own = replace(caller, tenant=f"{caller.tenant}-{next(runs)}")
        return Shared(settings, own, asyncio.run(first_team(own)))

    async def first_team(own: Caller) -> Team:
        connector = Connector(settings)
        try:
            return await add_team(connector, own)
        finally:
            await connector.close()

    def check(shared: Shared) -> None:
        ended = shared.endings
        # Either the removal came first, or the agent did.
        assert (ended["remove"], ended["refer"]) in {(None, UnknownReferenceError), (InUseError, None)}
        assert ended["rename"] in {None, StaleVersionError, NotFoundError}
        seen[f"{ended['remove']}"] += 1

    noxlib_race_asyncio(*each_of(remove, refer, rename), setup=setup, check=check, seeds=40)
    assert len(seen) == 2, "nobody met anybody"
