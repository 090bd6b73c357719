"""pytest-benchmark's storage, in a pytest of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_suite import Suite

TESTS = """
def test_fast(benchmark): benchmark(lambda: None)
"""
ALONE = ("-p", "no:xdist")


@pytest.mark.parametrize("kind", ["unit", "performance"])
def test_a_session_leaves_no_storage_of_benchmarks_in_the_project(
    suite: Suite, tmp_path: Path, kind: str
) -> None:
    temporary = tmp_path / "box"
    temporary.mkdir()
    ended = suite.run(kind, TESTS, *ALONE, env={"TMPDIR": str(temporary)})
    assert ended.code == 0, ended.output
    assert not (suite.folder / ".benchmarks").exists()
    assert (temporary / "benchmarks").is_dir()


@pytest.mark.parametrize("words", [("--benchmark-autosave",), ("--benchmark-save=a",)])
def test_what_is_to_be_stored_is_stored_where_the_project_has_it(
    suite: Suite, words: tuple[str, ...]
) -> None:
    ended = suite.run("performance", TESTS, *ALONE, *words)
    assert ended.code == 0, ended.output
    assert list((suite.folder / ".benchmarks").glob("*/*.json"))
    ended = suite.run("performance", TESTS, *ALONE, "--benchmark-compare=0001")
    assert "Comparing against benchmarks" in ended.output


def test_without_pytest_benchmark_there_is_nothing_to_do(suite: Suite) -> None:
    ended = suite.run("unit", "def test_a(): pass", "-p", "no:benchmark")
    assert ended.code == 0, ended.output
