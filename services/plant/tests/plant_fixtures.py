"""The fixtures that several test types share. Nothing is opened before a test asks for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from plant.api import create_app
from plant.audit import recording
from plant.caller import Caller
from plant.connector import AuditedSession, Connector, open_engine
from plant.settings import Settings, read_settings
from plant_factories import Factories


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Return the settings of this worker's own PostgreSQL database, which is migrated already."""
    return read_settings(os.environ)


@pytest.fixture(scope="session")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Keep one engine, and so one pool, for all tests of a worker."""
    engine = open_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
def caller() -> Caller:
    """Be a tenant of this test's own: what it commits nobody else sees."""
    return Caller(tenant=f"t-{uuid4().hex}", actor="tester")


@pytest.fixture
async def session(engine: AsyncEngine, caller: Caller) -> AsyncIterator[AsyncSession]:
    """Open a session for `caller`; whatever the test commits is rolled back after it."""
    async with engine.connect() as connection:
        transaction = await connection.begin()
        await connection.execute(select(func.set_config("plant.tenant", caller.tenant, True)))
        async with AsyncSession(
            connection,
            sync_session_class=AuditedSession,
            join_transaction_mode="create_savepoint",
            expire_on_commit=False,
            info={recording.ACTOR: caller.actor},
        ) as session:
            yield session
        await transaction.rollback()


@pytest.fixture
def make(session: AsyncSession) -> Factories:
    """Make skills, industries, teams, job roles and agents in `session`."""
    return Factories(session)


@pytest.fixture(scope="session")
async def connector(settings: Settings) -> AsyncIterator[Connector]:
    """Keep one connector: for tests whose commits are real, in their caller's tenant."""
    connector = Connector(settings)
    yield connector
    await connector.close()


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(app: FastAPI, caller: Caller) -> AsyncIterator[httpx2.AsyncClient]:
    """Call the application itself, as `caller`, without a network."""
    transport = httpx2.ASGITransport(app)
    headers = {"X-Tenant": caller.tenant, "X-Actor": caller.actor}
    async with httpx2.AsyncClient(transport=transport, base_url="http://plant", headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def server_url() -> str:
    """Return the address of the running server."""
    return os.environ["PLANT_URL"]
