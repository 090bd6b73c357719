"""Servers that are killed or fall silent while clients write.

After every recovery: what was acknowledged is there, nothing is there twice, the audit trail is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from plant.caller import Caller
from plant.connector import Connector
from plant.entities import Team
from plant.errors import DatabaseUnavailableError
from plant.settings import PoolLimits, Settings
from plant_client import PlantClient, client_of

RECOVERY = 20.0  # seconds
PATIENCE = 20.0


@dataclass
class Writers:
    """Clients who create one team after the other, and repeat what they got no answer to."""

    plant: PlantClient
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: dict[str, str] = field(default_factory=dict)  # name -> id
    failures: int = 0

    async def write(self, number: int) -> None:
        turn = 0
        while not self.stop.is_set():
            await self._create(f"team {number}-{turn}")
            turn += 1

    async def more(self, count: int) -> None:
        """Return when so many more teams were acknowledged than now."""
        wanted = len(self.acknowledged) + count
        await self._until(lambda: len(self.acknowledged) >= wanted)

    async def failed(self) -> None:
        """Return when a request has failed that was sent after now."""
        before = self.failures
        await self._until(lambda: self.failures > before)

    async def _create(self, name: str) -> None:
        body = {"name": name, "capacity": 1}
        while name not in self.acknowledged:
            try:
                answer = await self.plant.http.post("/teams", json=body)
            except httpx2.TransportError:
                self.failures += 1
            else:
                assert answer.status_code in {201, 503}, answer.text
                if answer.status_code == 201:
                    self.acknowledged[name] = answer.json()["id"]
                    return
                self.failures += 1
            await asyncio.sleep(0.05)

    @staticmethod
    async def _until(holds: Any) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not holds():
            assert asyncio.get_running_loop().time() < deadline, "nothing happened"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def writing(plant: PlantClient, count: int = 4) -> AsyncIterator[Writers]:
    writers = Writers(plant)
    tasks = [asyncio.create_task(writers.write(number)) for number in range(count)]
    try:
        yield writers
    finally:
        writers.stop.set()
        await asyncio.gather(*tasks)


async def assert_nothing_lost_or_doubled(plant: PlantClient, seen: Writers) -> None:
    found: dict[str, str] = {}
    after: str | None = ""
    while after is not None:
        page = await plant.read("teams", limit=200, after=after)
        found |= {each["name"]: each["id"] for each in page["items"]}
        after = page["next"]
    assert found == seen.acknowledged
    verdict = await plant.read("audit/verify")
    assert (verdict["intact"], verdict["records"]) == (True, len(found))


@pytest.mark.parametrize("victim", ["the database", "the service"])
async def test_a_killed_server_loses_nothing_that_was_acknowledged(
    noxlib_chaos: Any, server_url: str, victim: str
) -> None:
    target = noxlib_chaos.postgres if victim == "the database" else noxlib_chaos.process("plant")
    async with client_of(server_url) as plant:
        async with writing(plant) as writers:
            for _ in range(2):
                await writers.more(15)
                await asyncio.to_thread(target.kill)
                await writers.failed()
                await asyncio.to_thread(target.restart)
                await asyncio.to_thread(noxlib_chaos.wait_healthy)
            await writers.more(15)
        await assert_nothing_lost_or_doubled(plant, writers)


async def test_the_service_outlives_its_database_and_says_so(noxlib_chaos: Any, server_url: str) -> None:
    async with client_of(server_url) as plant:
        made = await plant.create("teams", name="night shift", capacity=8)
        noxlib_chaos.postgres.kill()
        answers = [await plant.http.get(path) for path in ("/health", f"/teams/{made['id']}")]
        noxlib_chaos.postgres.restart()
        noxlib_chaos.wait_healthy()
        for answer in answers:
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.json()["type"] == "urn:plant:problem:database-unavailable"
        assert await plant.read(f"teams/{made['id']}") == made


async def recovered(connector: Connector) -> None:
    """Return when the connector answers again; fail when it doesn't."""
    deadline = asyncio.get_running_loop().time() + RECOVERY
    while True:
        try:
            return await connector.ping()
        except DatabaseUnavailableError:
            assert asyncio.get_running_loop().time() < deadline, "the pool didn't recover"
            await asyncio.sleep(0.05)


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[Connector]:
    """Have a pool that gives a silent server up quickly."""
    limits = PoolLimits(size=3, overflow=0, acquire=0.5, connect=0.5, answer=0.5)
    connector = Connector(replace(settings, limits=limits))
    yield connector
    await connector.close()


async def test_a_pool_that_lost_its_server_recovers_by_itself(
    noxlib_chaos: Any, impatient: Connector
) -> None:
    caller = Caller(tenant=f"t-{uuid4().hex}")

    async def hold_and_lose() -> None:
        async with impatient.session(caller) as session:
            session.add(Team(name="never committed", capacity=1))
            await session.flush()
            await asyncio.to_thread(noxlib_chaos.postgres.kill)
            await session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError):
        await hold_and_lose()
    endings = await asyncio.gather(*(impatient.ping() for _ in range(6)), return_exceptions=True)
    assert {type(each) for each in endings} == {DatabaseUnavailableError}
    assert impatient.metrics().checked_out == 0

    await asyncio.to_thread(noxlib_chaos.postgres.restart)
    await recovered(impatient)
    await asyncio.gather(*(impatient.ping() for _ in range(6)))
    async with impatient.session(caller) as session:
        assert not await session.scalar(text("SELECT count(*) FROM team_entity"))
    assert (impatient.metrics().checked_out, impatient.metrics().overflow) == (0, 0)


async def test_a_server_that_falls_silent_holds_nobody_up(noxlib_chaos: Any, impatient: Connector) -> None:
    await impatient.ping()
    clock = asyncio.get_running_loop().time
    with noxlib_chaos.postgres.paused():
        begun = clock()
        endings = await asyncio.gather(*(impatient.ping() for _ in range(5)), return_exceptions=True)
        took = clock() - begun
    assert {type(each) for each in endings} == {DatabaseUnavailableError}
    assert took < 5
    await recovered(impatient)
    assert impatient.metrics().checked_out == 0
