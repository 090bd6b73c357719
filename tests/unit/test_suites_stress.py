"""stress: locust's command line, when it is run, and the figures that its report becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxlib import suites
from noxlib.errors import SuiteError
from noxlib.model import Address, Lease
from noxlib.suites import stress
from noxlib.suites.suite import Suite

MakeSuite = Callable[..., Suite]
PROCESS = Lease(resource="cs1/process", kind="process", address=Address(host="127.0.0.1", port=8001))


@pytest.fixture
def loaded(make_suite: MakeSuite) -> MakeSuite:
    """Make a stress suite with a locust file where it is looked for."""

    def suite(**given: Any) -> Suite:
        made = make_suite("stress", **{"leases": (PROCESS,), **given})
        (made.folder / stress.DEFAULT_FILE).touch()
        return made

    return suite


def test_a_locust_file_is_run_by_locust_against_the_services_process(
    loaded: MakeSuite, tmp_path: Path
) -> None:
    suite = loaded(users=7, run_time=2.5, args=("--tags={port}",), posargs=("-L", "DEBUG"))
    assert suites.command(replace(suite, tools={"locust": "/tool/locust"})) == [
        "/tool/locust",
        f"--locustfile={tmp_path}/cs1/tests/stress/locustfile.py",
        "--headless",
        "--only-summary",
        "--host=http://127.0.0.1:8001",
        "--users=7",
        "--spawn-rate=7",
        "--run-time=2.5s",
        "--exit-code-on-error=0",
        f"--json-file={tmp_path}/run/locust",
        "--tags=8001",
        "-L",
        "DEBUG",
    ]


def test_a_spawn_rate_is_kept(loaded: MakeSuite) -> None:
    assert "--spawn-rate=0.5" in suites.command(loaded(spawn_rate=0.5))


def test_a_locust_file_without_a_process_is_an_error_with_the_remedy(loaded: MakeSuite) -> None:
    with pytest.raises(SuiteError, match="no process to put load on") as caught:
        suites.command(loaded(leases=()))
    assert "[services.cs1.process]" in caught.value.remedy


def test_a_declared_locust_file_must_exist(make_suite: MakeSuite) -> None:
    with pytest.raises(SuiteError, match=r"types\.stress\.locustfile: there is no load\.py"):
        suites.command(make_suite("stress", locustfile="load.py"))


def test_locust_is_wanted_where_its_file_is_and_no_runner(loaded: MakeSuite, tmp_path: Path) -> None:
    assert stress.wants_locust(loaded().service, tmp_path)
    assert not stress.wants_locust(loaded(command=("run",)).service, tmp_path)
    assert not stress.wants_locust(loaded(locustfile="load.py").service, tmp_path)


def entry(name: str, **changes: Any) -> dict[str, Any]:
    given = {
        "name": name,
        "method": "GET",
        "num_requests": 4,
        "num_failures": 0,
        "response_times": {"10": 3, "90": 1},
        "max_response_time": 95.0,
        "start_time": 100.0,
        "last_request_timestamp": 104.0,
    }
    return {**given, **changes}


def test_locusts_figures_are_added_up_over_all_its_requests() -> None:
    other = entry(
        "/b",
        num_requests=6,
        num_failures=2,
        response_times={"20": 5, "300": 1},
        start_time=99.0,
        last_request_timestamp=109.0,
    )
    assert stress.summarize([entry("/a"), other]) == {
        "source": "locust",
        "requests": 10,
        "failures": 2,
        "iterations": 0,
        "seconds": 10.0,
        "response_times_ms": {"p50": 20.0, "p95": 300.0, "p99": 300.0, "max": 95.0},
        "errors": [{"name": "GET /b", "count": 2}],
    }


def test_a_request_that_was_never_answered_ends_no_later_than_it_began() -> None:
    silent = entry("/a", last_request_timestamp=None, num_requests=0, response_times={})
    assert stress.summarize([silent])["seconds"] == 0.0


def test_a_load_without_requests_has_no_figures() -> None:
    found = stress.summarize([])
    assert (found["requests"], found["seconds"], found["response_times_ms"]["p95"]) == (0, 0.0, 0.0)


def test_a_percentile_is_the_smallest_time_that_the_share_did_not_exceed() -> None:
    histogram = {30.0: 1, 10.0: 2, 20.0: 1}
    assert [stress.percentile(histogram, share) for share in (0.5, 0.51, 0.75, 1.0)] == [
        10.0,
        20.0,
        20.0,
        30.0,
    ]
