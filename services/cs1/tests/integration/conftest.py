from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.config import Config
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from cs1.settings import Settings

SERVICE = Path(__file__).parents[2]


@pytest.fixture
def alembic_config() -> Config:
    return Config(SERVICE / "alembic.ini")


@pytest.fixture
def scratch(settings: Settings) -> Iterator[URL]:
    """Create an empty database beside the session's own, and drop it again."""
    with scratch_database(settings.database_url) as url:
        yield url


@contextmanager
def scratch_database(beside: URL) -> Iterator[URL]:
    name = f"scratch_{uuid4().hex}"
    admin = create_engine(beside, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        yield beside.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, object]:
    """Replay only: a request that no cassette holds is an error, never a call."""
    return {"record_mode": "none", "decode_compressed_response": True}
