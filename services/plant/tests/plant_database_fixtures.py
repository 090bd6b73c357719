"""The fixtures of the integration suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from plant.connector import Connector
from plant.settings import PoolLimits, Settings

SERVICE = Path(__file__).parents[1]
# A pool small enough to be exhausted, and quick to say so.
SMALL = PoolLimits(size=2, overflow=1, acquire=0.2, connect=2.0)

# Not by alembic's own way down: that is what the tests look at.
EMPTY = """
DO $$ DECLARE each record; BEGIN
  FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP TABLE %I CASCADE', each.tablename);
  END LOOP;
  FOR each IN SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql') LOOP
    EXECUTE format('DROP FUNCTION %s CASCADE', each.name);
  END LOOP;
END $$
"""


@pytest.fixture
async def small(settings: Settings) -> AsyncIterator[Connector]:
    """Have two connections, a third in need, and no patience."""
    async with connector_with(settings, SMALL) as connector:
        yield connector


@asynccontextmanager
async def connector_with(settings: Settings, limits: PoolLimits) -> AsyncIterator[Connector]:
    connector = Connector(replace(settings, limits=limits))
    try:
        yield connector
    finally:
        await connector.close()


@pytest.fixture
def alembic_config() -> Config:
    return Config(SERVICE / "alembic.ini")


@pytest.fixture
async def blank(noxlib_database: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncEngine]:
    """Lead alembic to a database of the test's own that holds nothing but the extensions."""
    monkeypatch.setenv("DATABASE_URL", noxlib_database.url("asyncpg"))
    engine = create_async_engine(make_url(noxlib_database.url("asyncpg")), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(EMPTY))
    yield engine
    await engine.dispose()
