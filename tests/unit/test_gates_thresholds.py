"""The limits of stress and the ceilings of performance, each with a load or benchmark that breaks it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_records import session_plan

from noxlib.gates import Case, thresholds
from noxlib.model import TEST_TYPES, Evidence, Finding, Service, SuiteSettings

LOAD = {
    "source": "locust",
    "requests": 1000,
    "failures": 0,
    "iterations": 0,
    "seconds": 10.0,
    "response_times_ms": {"p50": 20.0, "p95": 80.0, "p99": 120.0, "max": 300.0},
    "errors": [],
    "samples": {"cpu_percent_max": 90.0, "memory_mb_max": 150.0, "connections_max": 5},
}
HELD = {
    "p50": 0.02,
    "p95": 0.1,
    "p99": 0.2,
    "max": 0.5,
    "error_ratio": 0.0,
    "min_requests": 1000,
    "requests_per_second": 100.0,
    "cpu_percent": 95.0,
    "memory_mb": 200.0,
}

Judge = Callable[..., Finding]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    def run(kind: str, evidence: Any, limits: dict[str, Any], posargs: tuple[str, ...] = ()) -> Finding:
        name = "load.json" if kind == "stress" else "benchmark.json"
        if evidence is not None:
            content = evidence if isinstance(evidence, str) else json.dumps(evidence)
            (tmp_path / name).write_text(content, encoding="utf-8")
        settings = SuiteSettings(thresholds=limits)
        case = Case(
            plan=session_plan(f"{kind}-cs1", exclusive=True),
            service=Service(name="cs1", path="cs1", source=(), types=dict.fromkeys(TEST_TYPES, settings)),
            settings=settings,
            folder=tmp_path,
            service_folder=tmp_path,
            evidence=Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1),
            today=dt.date(2026, 11, 21),
            posargs=posargs,
        )
        assert thresholds.applies(case)
        return thresholds.judge(case)

    return run


def test_a_load_within_all_limits_passes_with_its_figures(judged: Judge) -> None:
    found = judged("stress", LOAD, HELD)
    assert found.passed
    assert found.summary == "p50 20 ms, p95 80 ms, errors 0.00%"


@pytest.mark.parametrize(
    ("name", "limit", "said"),
    [
        ("p50", 0.019, "p50 is 20 ms, the limit is at most 19 ms"),
        ("p95", 0.079, "p95 is 80 ms, the limit is at most 79 ms"),
        ("p99", 0.1, "p99 is 120 ms"),
        ("max", 0.299, "max is 300 ms"),
        ("min_requests", 1001, "min_requests is 1000, the limit is at least 1001"),
        ("min_iterations", 1, "min_iterations is 0"),
        ("requests_per_second", 100.1, "requests_per_second is 100"),
        ("cpu_percent", 89.0, "cpu_percent is 90"),
        ("memory_mb", 149.0, "memory_mb is 150"),
    ],
)
def test_a_broken_limit_fails_with_the_figure(judged: Judge, name: str, limit: float, said: str) -> None:
    found = judged("stress", LOAD, {**HELD, name: limit})
    assert not found.passed
    assert said in found.summary
    assert "services.cs1.types.stress.thresholds" in found.details[-1]


def test_errors_fail_where_no_ratio_is_given_and_are_named(judged: Judge) -> None:
    failing = {**LOAD, "failures": 3, "errors": [{"name": "POST /transfers", "count": 3}]}
    found = judged("stress", failing, {})
    assert not found.passed
    assert found.summary == "error_ratio is 0.003, the limit is at most 0"
    assert found.details[0] == "3 x POST /transfers"
    assert judged("stress", failing, {"error_ratio": 0.01}).passed


@pytest.mark.parametrize("load", [None, "{", [], {**LOAD, "requests": 0}, {}])
def test_no_load_fails_whatever_the_limits(judged: Judge, load: Any) -> None:
    assert not judged("stress", load, {}).passed


def test_iterations_are_a_load_as_well(judged: Judge) -> None:
    load = {**LOAD, "requests": 0, "iterations": 10, "failures": 1}
    assert judged("stress", load, {"error_ratio": 0.1, "min_iterations": 10}).passed
    assert not judged("stress", load, {"error_ratio": 0.09}).passed


@pytest.mark.parametrize("name", ["p99", "cpu_percent", "memory_mb", "requests_per_second"])
def test_a_limit_whose_figure_is_missing_fails(judged: Judge, name: str) -> None:
    bare = {"requests": 5, "response_times_ms": {"p50": 1.0}}
    found = judged("stress", bare, {name: 1})
    assert not found.passed
    assert found.summary == f"{name} was not measured, so its limit can't be judged"
    assert judged("stress", bare, {}).summary == "p50 1 ms, p95 not measured, errors 0.00%"


def test_a_figure_that_is_no_number_is_out_of_bounds(judged: Judge) -> None:
    load = {**LOAD, "response_times_ms": {**LOAD["response_times_ms"], "p95": float("nan")}}  # type: ignore[dict-item]
    assert not judged("stress", load, {"p95": 1.0}).passed


# --- performance ----------------------------------------------------------------------------


def benchmark(name: str, **stats: float) -> dict[str, Any]:
    return {"name": name, "stats": {"min": 0.001, "median": 0.002, "mean": 0.002, "max": 0.01, **stats}}


RUN = {"benchmarks": [benchmark("test_post[10]"), benchmark("test_read")]}


@pytest.mark.parametrize("limits", [{}, {"test_*": {"median": 0.002}}, {"test_post[10]": {"max": 0.01}}])
def test_benchmarks_within_their_ceilings_pass(judged: Judge, limits: dict[str, Any]) -> None:
    found = judged("performance", RUN, limits)
    assert (found.passed, found.summary) == (True, "2 benchmarks within their ceilings")


def test_a_ceiling_that_is_broken_fails_for_each_benchmark(judged: Judge) -> None:
    found = judged("performance", RUN, {"test_*": {"median": 0.0019}})
    assert not found.passed
    assert found.summary == "test_post[10]: median 2 ms, the ceiling is 1.9 ms"
    assert found.details == ("test_read: median 2 ms, the ceiling is 1.9 ms",)


def test_a_pattern_that_matches_no_benchmark_fails_with_their_names(judged: Judge) -> None:
    found = judged("performance", RUN, {"test_write": {"median": 1.0}})
    assert not found.passed
    assert '"test_write" matches no benchmark; there are: test_post[10], test_read' in found.summary


def test_arguments_may_leave_a_benchmark_out(judged: Judge) -> None:
    assert judged("performance", RUN, {"test_write": {"median": 1.0}}, posargs=("-k", "read")).passed


@pytest.mark.parametrize("data", [None, "", {}, {"benchmarks": []}, []])
def test_no_benchmark_fails(judged: Judge, data: Any) -> None:
    found = judged("performance", data, {})
    assert not found.passed
    assert "no benchmark ran" in found.summary


def test_a_statistic_that_is_missing_fails(judged: Judge) -> None:
    run = {"benchmarks": [{"name": "test_a", "stats": {}}]}
    assert not judged("performance", run, {"*": {"median": 1.0}}).passed
