from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.config import Config
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from gateway.settings import Settings


@pytest.fixture
def alembic_config() -> Config:
    return Config(Path(__file__).parents[2] / "alembic.ini")


@pytest.fixture
def scratch(settings: Settings) -> Iterator[URL]:
    """Create an empty database beside the test's own, and drop it again."""
    name = f"scratch_{uuid4().hex}"
    admin = create_engine(settings.database_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        yield settings.database_url.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
