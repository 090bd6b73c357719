"""How many xdist workers a suite gets, and when it is left to the project or the user."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from noxlib import suites
from noxlib.suites.suite import MAX_WORKERS, Suite

MakeSuite = Callable[..., Suite]


def own(suite: Suite) -> list[str]:
    """Return what stands between pytest's common arguments and the paths."""
    return suites.command(suite)[6:-1]


def test_unit_tests_use_every_core_up_to_a_limit(
    make_suite: MakeSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own(make_suite()) == ["-n", "4"]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
    assert own(make_suite()) == ["-n", str(MAX_WORKERS)]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    assert own(make_suite()) == []


def test_beside_other_sessions_there_are_no_workers_unless_asked_for(make_suite: MakeSuite) -> None:
    assert own(make_suite(parallel=True)) == []
    assert own(make_suite(parallel=True, workers="2")) == ["-n", "2"]


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_workers_are_as_many_as_asked_for(make_suite: MakeSuite, kind: str) -> None:
    assert own(make_suite(kind, workers="3"))[-2:] == ["-n", "3"]
    assert "-n" not in own(make_suite(kind, workers="0"))


@pytest.mark.parametrize("word", ["-n2", "--numprocesses=2", "--dist=no", "--pdb"])
@pytest.mark.parametrize("place", ["args", "posargs"])
def test_a_word_about_workers_is_not_overridden(make_suite: MakeSuite, word: str, place: str) -> None:
    assert own(make_suite(**{place: (word,)})) == [word]


def test_xdist_that_is_switched_off_gets_no_workers(make_suite: MakeSuite) -> None:
    assert own(make_suite(args=("-p", "no:xdist"))) == ["-p", "no:xdist"]
    assert own(make_suite(environment={"PYTEST_ADDOPTS": "-p no:xdist"})) == []


def test_the_addopts_variable_is_heard(make_suite: MakeSuite) -> None:
    assert own(make_suite(environment={"PYTEST_ADDOPTS": "-q -n 1"})) == []
    assert own(make_suite(environment={"PYTEST_ADDOPTS": "-q"})) == ["-n", "4"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\naddopts = -q -n 1\n"),
        ("tox.ini", "[pytest]\naddopts =\n    -q\n    -n=1\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-q -n1"\n'),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = [\n  '-q',\n  '--dist', 'load',\n]\n"),
        ("pytest.toml", '[pytest]\naddopts = ["-n", "1"]\n'),
    ],
)
def test_the_projects_addopts_are_heard(make_suite: MakeSuite, name: str, text: str) -> None:
    suite = make_suite()
    (suite.folder / name).write_text(text)
    assert own(suite) == []


@pytest.mark.parametrize("rest", ["markers = -n", "[other]\n-n", "[-n]"])
def test_addopts_end_where_the_next_key_or_table_begins(make_suite: MakeSuite, rest: str) -> None:
    suite = make_suite()
    (suite.folder / "pytest.ini").write_text(f"[pytest]\naddopts = -q\n{rest}\n")
    assert own(suite) == ["-n", "4"]
