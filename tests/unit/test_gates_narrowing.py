from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_records import session_plan

from noxlib.gates import narrowed
from noxlib.gates.case import Case
from noxlib.model import TEST_TYPES, Evidence, Service, SuiteSettings

PASSED = {"test": "tests/unit/test_a.py::a", "outcome": "passed", "seconds": 0.1, "reason": "", "opens": []}
LEFT_OUT = {"deselected": 1, "first": ["tests/unit/test_a.py::b"], "by": 7}


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    def make(*posargs: str, progress: Any = (), outcome: str = "passed", **given: Any) -> Case:
        lines = [json.dumps(each) + "\n" for each in progress]
        (tmp_path / "progress.jsonl").write_text("".join(lines), encoding="utf-8")
        ends = [{**PASSED, "outcome": outcome}]
        (tmp_path / "outcomes.json").write_text(json.dumps(ends), encoding="utf-8")
        settings = SuiteSettings()
        return Case(
            plan=session_plan("unit-cs1"),
            service=Service(name="cs1", path="cs1", source=(), types=dict.fromkeys(TEST_TYPES, settings)),
            settings=settings,
            folder=tmp_path,
            service_folder=tmp_path,
            evidence=Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1),
            today=dt.date(2026, 11, 21),
            posargs=posargs,
            **given,
        )

    return make


@pytest.mark.parametrize(
    "posargs",
    [
        "",
        "-v",
        "-xvs",
        "-q --tb=short",
        "--tb short --durations 5 -ra",
        "-n 0",
        "-n4 --dist=loadfile",
        "-p no:randomly",
        "--randomly-seed=7",
        "--maxfail=1",
        "-m all",
        "-k=a -v",
    ],
)
def test_arguments_that_left_nothing_out_leave_the_run_whole(case: Callable[..., Case], posargs: str) -> None:
    assert not narrowed(case(*posargs.split()))


@pytest.mark.parametrize(
    "posargs",
    [
        "tests/unit/test_a.py",
        "-v tests/unit",
        "test_a.py::a -v",
        "--lf",
        "--ignore=tests/unit/slow",
        "--deselect x",
        "-c other.ini",
        "-o testpaths=a",
        "-p no:noxlib",
        "-p something",
        "--no-cov",
        "--collect-only",
        "--co",
        "--pdb",
        "--sw",
    ],
)
def test_arguments_whose_effect_nobody_reports_narrow_the_run(
    case: Callable[..., Case], posargs: str
) -> None:
    assert narrowed(case(*posargs.split()))


@pytest.mark.parametrize("posargs", ["-m rls", "-k a", "-ka", "-v -m rls"])
def test_a_selection_that_left_tests_out_narrows_the_run(case: Callable[..., Case], posargs: str) -> None:
    assert narrowed(case(*posargs.split(), progress=[LEFT_OUT]))


def test_what_the_project_itself_deselects_is_not_laid_to_arguments(case: Callable[..., Case]) -> None:
    assert not narrowed(case("-v", progress=[LEFT_OUT]))


@pytest.mark.parametrize("posargs", ["-x", "-vx", "--exitfirst", "--maxfail=2", "--maxfail 2"])
def test_a_run_that_stops_at_a_failure_is_not_whole(case: Callable[..., Case], posargs: str) -> None:
    assert narrowed(case(*posargs.split(), outcome="failed"))
    assert not narrowed(case("-v", outcome="failed"))


def test_without_the_plugin_s_word_a_selection_counts_as_narrow(case: Callable[..., Case]) -> None:
    made = case("-m", "all")
    (made.folder / "progress.jsonl").unlink()
    assert narrowed(made)


def test_arguments_of_another_runner_are_unknown(case: Callable[..., Case]) -> None:
    assert narrowed(case("-v", pytest=False))
    assert not narrowed(case(pytest=False))
