"""What the suite needs of noxlib, as one would write it by hand: a database for each test that asks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest_asyncio

ADMIN = os.environ["ONE_SERVER_ADMIN"]


@dataclass(frozen=True)
class Database:
    """A database of the test's own."""

    name: str

    def url(self, driver: str) -> str:
        """Return the URL that SQLAlchemy takes."""
        return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{self.name}".replace("asyncpg", driver)


@pytest_asyncio.fixture
async def noxlib_database() -> AsyncIterator[Database]:
    """Make an empty database with the extensions, and drop it again: what the suite asks for empties it."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(f"{ADMIN}/postgres")
    await admin.execute(f"CREATE DATABASE {name} OWNER app")
    inside = await asyncpg.connect(f"{ADMIN}/{name}")
    for extension in ("vector", "pg_trgm"):
        await inside.execute(f"CREATE EXTENSION {extension}")
    await inside.close()
    yield Database(name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
