"""What the suite needs of noxlib, as one would write it by hand: a database for each test that asks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config

ADMIN = os.environ["ONE_SERVER_ADMIN"]


@dataclass(frozen=True)
class Database:
    """A database of the test's own."""

    name: str

    def url(self, driver: str) -> str:
        """Return the URL that SQLAlchemy takes."""
        return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{self.name}".replace("asyncpg", driver)


@pytest_asyncio.fixture
async def noxlib_database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Make a migrated database, and drop it again; for `blank`, which empties it, one without tables."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(f"{ADMIN}/postgres")
    await admin.execute(f"CREATE DATABASE {name} OWNER app")
    inside = await asyncpg.connect(f"{ADMIN}/{name}")
    for extension in ("vector", "pg_trgm"):
        await inside.execute(f"CREATE EXTENSION {extension}")
    await inside.close()
    made = Database(name)
    if "blank" not in request.fixturenames:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", made.url("asyncpg"))
            await asyncio.to_thread(command.upgrade, Config("alembic.ini"), "head")
    yield made
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
