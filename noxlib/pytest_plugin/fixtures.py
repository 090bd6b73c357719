"""The fixtures of a session; each belongs to the test types named in its docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from noxlib.model import Lease, SessionFile
from noxlib.protocol import Client
from noxlib.pytest_plugin import databases, session
from noxlib.pytest_plugin.chaos import Chaos
from noxlib.pytest_plugin.databases import Database
from noxlib.pytest_plugin.load import Load
from noxlib.pytest_plugin.race import Race
from noxlib.pytest_plugin.redis import RedisDatabase, redis_database


@pytest.fixture(scope="session")
def noxlib_session(pytestconfig: pytest.Config) -> SessionFile:
    """Return what this session is: plan, leases, settings. Every type."""
    return pytestconfig.stash[session.SESSION]


@pytest.fixture(scope="session")
def noxlib_leases(noxlib_session: SessionFile) -> dict[str, Lease]:
    """Return the leases by name, such as "cs1/postgres". Every type."""
    return {lease.resource: lease for lease in noxlib_session.leases}


@pytest.fixture
def noxlib_databases(request: pytest.FixtureRequest) -> Iterator[Callable[..., Database]]:
    """Return what makes fresh databases: `noxlib_databases("audit")`. Types with PostgreSQL."""
    lender = request.config.stash[databases.DATABASES]
    try:
        yield databases.lender(lender, request.node)
    finally:
        databases.take_back(lender, request.node)


@pytest.fixture
def noxlib_database(noxlib_databases: Callable[..., Database]) -> Database:
    """Return a fresh database: migrated, seeded, this test's alone. Types with PostgreSQL."""
    return noxlib_databases()


@pytest.fixture
def noxlib_redis(noxlib_session: SessionFile) -> RedisDatabase:
    """Return this worker's Redis database, emptied for the test. Types with Redis."""
    found = redis_database(noxlib_session)
    found.flush()
    return found


@pytest.fixture
def noxlib_race(noxlib_session: SessionFile) -> Race:
    """Return the thread race harness. race."""
    session.require(noxlib_session, "race", "noxlib_race")
    return Race(noxlib_session.service_folder)


@pytest.fixture
def noxlib_race_asyncio(noxlib_session: SessionFile) -> Callable[..., Any]:
    """Return the asyncio race harness. race."""
    session.require(noxlib_session, "race", "noxlib_race_asyncio")
    from noxlib.pytest_plugin.race_asyncio import race_asyncio  # noqa: PLC0415  asyncio costs 13 ms

    return race_asyncio


@pytest.fixture(scope="session")
def noxlib_load(noxlib_session: SessionFile, pytestconfig: pytest.Config) -> Load:
    """Return the load harness for code without HTTP. stress."""
    session.require(noxlib_session, "stress", "noxlib_load")
    if session.is_worker(pytestconfig):
        pytest.fail(
            "noxlib_load measures nothing beside other xdist workers\n"
            f'  to fix it: set workers = "0" under [services.{noxlib_session.plan.service}.types.stress]',
            pytrace=False,
        )
    return Load(noxlib_session)


@pytest.fixture
def noxlib_chaos(noxlib_session: SessionFile) -> Iterator[Chaos]:
    """Return the faults; what was killed is not brought back by itself. chaos."""
    session.require(noxlib_session, "chaos", "noxlib_chaos")
    with Client(noxlib_session.control, noxlib_session.token) as client:
        yield Chaos(noxlib_session, client)
