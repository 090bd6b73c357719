"""How long it takes to check embeddings and chains, without a database."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from plant.audit.chain import hash_of
from plant.embeddings import DIMENSIONS, checked
from plant_chain import FIRST, chained, judged
from plant_embeddings import anywhere


def test_hash_a_record(benchmark: BenchmarkFixture) -> None:
    assert len(benchmark(hash_of, FIRST)) == 32


def test_verify_a_thousand_records(benchmark: BenchmarkFixture) -> None:
    records, head = chained([FIRST] * 1000)
    assert benchmark(judged, records, head).intact


def test_check_an_embedding(benchmark: BenchmarkFixture) -> None:
    embedding = anywhere(1)
    assert len(benchmark(checked, embedding)) == DIMENSIONS
