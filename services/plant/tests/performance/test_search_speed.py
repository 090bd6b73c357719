"""How long a semantic search takes among a thousand skills, a page, and a creation with its audit record."""

from __future__ import annotations

from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from plant import store
from plant.entities import Skill
from plant.fingerprints import fingerprint
from plant.search import Metric, nearest
from plant_embeddings import anywhere

from .conftest import Running


@pytest.mark.parametrize("metric", list(Metric))
def test_search_a_thousand_skills(benchmark: BenchmarkFixture, running: Running, metric: Metric) -> None:
    questions = count()

    async def search() -> int:
        async with running.connector.session(running.caller, read_only=True) as session:
            return len(await nearest(session, anywhere(next(questions)), limit=10, metric=metric))

    assert benchmark(running, search) == 10


def test_read_a_page_of_skills(benchmark: BenchmarkFixture, running: Running) -> None:
    async def page() -> int:
        async with running.connector.session(running.caller, read_only=True) as session:
            return len(await store.page(session, Skill, limit=50))

    assert benchmark(running, page) == 50


def test_create_a_skill(benchmark: BenchmarkFixture, running: Running) -> None:
    numbers = count()

    async def create() -> bool:
        name = f"new {next(numbers)}"
        async with running.connector.session(running.caller) as session:
            skill = Skill(name=name, category="trade", embedding_384=anywhere(1))
            made = await store.create(session, skill, fingerprint=fingerprint("skill", {"name": name}))
            return made.replayed

    assert benchmark(running, create) is False
