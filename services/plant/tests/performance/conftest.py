from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from sqlalchemy import text

from plant.caller import Caller
from plant.connector import Connector
from plant.settings import Settings

T = TypeVar("T")
SKILLS = 1000

# Made by the database: a thousand embeddings on their way to it would take longer than the tests.
# Two statements: the policy of skill_entity looks for rows of base_entity that are there already.
BASES = """
INSERT INTO base_entity (id, kind, name)
SELECT gen_random_uuid(), 'skill', 'skill ' || n FROM generate_series(1, :count) n
"""
# Looking at `name` makes it another array for each row.
EMBEDDINGS = """
INSERT INTO skill_entity (id, category, embedding_384)
SELECT id, 'trade', CAST((
  SELECT array_agg(random() - 0.5) FROM generate_series(1, 384) WHERE name <> '') AS vector)
FROM base_entity
"""

RECORDS = """
INSERT INTO audit_record (entity_id, kind, action, version, actor, payload)
SELECT id, kind, 'insert', version, 'tester', '{}' FROM base_entity
"""


class Running:
    """A connector and the event loop that it lives in: a benchmark is no coroutine."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self.connector = Connector(settings)
        self.caller = Caller(tenant="speed")

    def __call__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._loop.run_until_complete(work())

    def close(self) -> None:
        self(self.connector.close)
        self._loop.close()


@pytest.fixture(scope="session")
def running(settings: Settings) -> Iterator[Running]:
    """Run coroutines against a database with a thousand skills."""
    running = Running(settings)

    async def fill() -> None:
        async with running.connector.session(running.caller) as session:
            await session.execute(text(BASES), {"count": SKILLS})
            await session.execute(text(EMBEDDINGS))
            await session.execute(text(RECORDS))

    running(fill)
    yield running
    running.close()
