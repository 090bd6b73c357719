"""The verdict's lines: a headline that counts, one line for each reason, warnings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_records import record, session_plan

from noxlib.model import Evidence, Finding, Verdict
from noxlib.verdict import summary

RECORD = record(
    plan=session_plan("unit-a"),
    evidence=Evidence(suite_exit=0, suite_seconds=1, ready_seconds=0, servers=("PostgreSQL 15.18 (system)",)),
    seconds=1.25,
    python="3.11.7",
    counts={"passed": 2},
    coverage=99.5,
)


def test_a_run_that_passed_is_one_line() -> None:
    assert summary(RECORD) == [
        "unit-a: passed: 2 passed; coverage 99.50 %; 1.2 s; namespace box; PostgreSQL 15.18 (system)"
    ]


@pytest.mark.parametrize(("errors", "said"), [(1, "1 passed, 1 error;"), (2, "1 passed, 2 errors;")])
def test_errors_are_counted_in_english(errors: int, said: str) -> None:
    assert said in summary(replace(RECORD, counts={"passed": 1, "error": errors}))[0]


def test_a_reason_has_its_details_below_it_and_a_warning_its_line() -> None:
    findings = (
        Finding(gate="suite", passed=False, summary="exit code 1", details=("failed: a::b",)),
        Finding(gate="skips", passed=True, summary="none", details=("the approval of x matches no test",)),
    )
    assert summary(replace(RECORD, verdict=Verdict(passed=False, findings=findings)))[1:] == [
        "  suite: exit code 1",
        "    failed: a::b",
        "  warning: the approval of x matches no test",
    ]


def test_an_error_before_the_suite_is_named_by_its_class_and_exit_code() -> None:
    broken = Evidence(
        suite_exit=None, suite_seconds=0, ready_seconds=0, error="x", error_class="ResourceError"
    )
    record = replace(
        RECORD, evidence=broken, counts={}, coverage=None, verdict=Verdict(passed=False, findings=())
    )
    assert summary(record)[0].startswith(
        "unit-a: failed: ResourceError, exit code 14, before the suite began; "
    )
    late = replace(record, evidence=replace(broken, suite_exit=0, network="open"))
    assert summary(late)[0].startswith("unit-a: failed: ResourceError, exit code 14; ")
    assert "namespace box, open network" in summary(late)[0]


def test_where_no_test_was_counted_the_load_is_told() -> None:
    load = (Finding(gate="tests", passed=True, summary="7 requests"),)
    assert (
        "passed: 7 requests;"
        in summary(replace(RECORD, counts={}, verdict=Verdict(passed=True, findings=load)))[0]
    )
    command = (Finding(gate="command", passed=False, summary="exit code 1"),)
    failed = replace(RECORD, counts={}, verdict=Verdict(passed=False, findings=command))
    assert summary(failed)[0].startswith("unit-a: failed: exit code 1; ")
    assert "no test ran to its end" in summary(replace(RECORD, counts={}))[0]
