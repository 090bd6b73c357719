"""Each gate: a planted defect that it catches, and the clean twin that it lets pass."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxlib.gates import GATES, Case, counts, judge
from noxlib.gates.case import read_json
from noxlib.model import TEST_TYPES, Approval, Evidence, Finding, Service, SessionPlan, SuiteSettings

TODAY = dt.date(2026, 11, 21)
ENDED = Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1)

MakeCase = Callable[..., Case]


def plan(kind: str) -> SessionPlan:
    return SessionPlan(
        name=f"{kind}-cs1",
        service="cs1",
        type=kind,
        python="",
        tags=("all-types", kind, "cs1"),
        description="",
        exclusive=False,
    )


def outcome(test: str, how: str = "passed", reason: str = "") -> dict[str, Any]:
    return {"test": test, "outcome": how, "seconds": 0.1, "reason": reason}


def approval(test: str, **changes: Any) -> Approval:
    given = {"kind": "skip", "issue": "#165", "reason": "needs it", "owner": "data", "expires": "2027-03-01"}
    return Approval(test=test, **{**given, **changes})


@pytest.fixture
def case(tmp_path: Path) -> MakeCase:
    """Make a case; `outcomes`, `load` and `benchmark` become files of the run folder."""

    def make(kind: str = "unit", **given: Any) -> Case:
        for name in ("outcomes", "load", "benchmark"):
            if name in given:
                (tmp_path / f"{name}.json").write_text(json.dumps(given.pop(name)), encoding="utf-8")
        settings = given.pop("settings", SuiteSettings())
        service = Service(
            name="cs1",
            path="services/cs1",
            source=given.pop("source", ()),
            approvals=given.pop("approvals", ()),
            types=dict.fromkeys(TEST_TYPES, settings),
        )
        defaults: dict[str, Any] = {
            "plan": plan(kind),
            "service": service,
            "settings": settings,
            "folder": tmp_path,
            "service_folder": tmp_path / "services" / "cs1",
            "evidence": ENDED,
            "today": TODAY,
        }
        return Case(**{**defaults, **given})

    return make


def finding(case: Case, gate: str) -> Finding:
    """Return what one gate says, through the verdict of all."""
    verdict = judge(case)
    assert verdict.passed == all(each.passed for each in verdict.findings)
    return next(each for each in verdict.findings if each.gate == gate)


def text(found: Finding) -> str:
    return "\n".join([found.summary, *found.details])


# --- all ------------------------------------------------------------------------------------


def test_a_clean_run_passes_every_gate(case: MakeCase) -> None:
    verdict = judge(case(outcomes=[outcome("tests/unit/test_a.py::test_a")]))
    assert verdict.passed
    assert [each.gate for each in verdict.findings] == ["suite", "tests", "skips"]


def test_an_error_of_ours_is_the_only_finding(case: MakeCase) -> None:
    broken = Evidence(
        suite_exit=None,
        suite_seconds=0,
        ready_seconds=0,
        error="postgres: no binaries\n  to fix it: install",
        error_class="BinariesNotFoundError",
    )
    verdict = judge(case(kind="stress", source=("src/cs1",), evidence=broken))
    assert not verdict.passed
    assert [each.gate for each in verdict.findings] == ["binaries"]
    assert text(verdict.findings[0]) == "postgres: no binaries\n  to fix it: install"


def test_every_gate_is_in_the_table_under_its_own_name() -> None:
    names = [gate.__name__.rpartition(".")[2] for gate in GATES]
    assert names == ["suite", "processes", "tests", "skips", "coverage", "thresholds"]


def test_a_run_is_counted_by_how_its_tests_ended(case: MakeCase) -> None:
    ends = [outcome("a"), outcome("b"), outcome("c", "failed"), outcome("d", "xfailed")]
    assert counts(case(outcomes=ends)) == {"passed": 2, "failed": 1, "xfailed": 1}


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_text("[1]", encoding="utf-8")
    assert read_json(path) == [1]
    path.write_text("broken", encoding="utf-8")
    assert read_json(path) is None


# --- processes ------------------------------------------------------------------------------


def test_a_process_that_died_during_the_suite_fails_it_with_its_lines(case: MakeCase) -> None:
    died = ("services.a.process: `x` ended with exit code 3 during the suite\n    why\n  log: a.log", "b")
    evidence = replace(ENDED, deaths=died)
    verdict = judge(case(kind="e2e", outcomes=[outcome("a")], evidence=evidence))
    finding = next(each for each in verdict.findings if each.gate == "processes")
    assert not finding.passed
    assert finding.summary == "services.a.process: `x` ended with exit code 3 during the suite"
    assert finding.details == ("    why", "  log: a.log", "b")


def test_processes_that_lived_need_no_judgement(case: MakeCase) -> None:
    verdict = judge(case(kind="e2e", outcomes=[outcome("a")]))
    assert "processes" not in {each.gate for each in verdict.findings}


# --- suite ----------------------------------------------------------------------------------


def ended(code: int | None, **changes: Any) -> Evidence:
    return Evidence(suite_exit=code, suite_seconds=1.0, ready_seconds=0.1, **changes)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1, "exit code 1"),
        (2, "pytest was interrupted (exit code 2)"),
        (3, "pytest had an internal error (exit code 3)"),
        (-9, "ended by SIGKILL"),
        (-99, "ended by signal 99"),
        (None, "the suite never started"),
    ],
)
def test_an_exit_code_fails_and_is_explained(case: MakeCase, code: int | None, said: str) -> None:
    found = finding(case(evidence=ended(code), outcomes=[outcome("a::b", "failed")]), "suite")
    assert not found.passed
    assert said in found.summary
    assert "suite.log" in found.details[-1]


def test_failing_tests_are_named_up_to_ten(case: MakeCase) -> None:
    ends = [outcome("a::test_ok"), outcome("a::test_b", "error", "no such fixture")]
    ends += [outcome(f"a::test_{number}", "failed") for number in range(12)]
    found = finding(case(evidence=ended(1), outcomes=ends), "suite")
    assert found.details[0] == "error: a::test_b: no such fixture"
    assert found.details[1] == "failed: a::test_0"
    assert found.details[10] == "... and 3 more"


def test_an_exit_code_of_0_does_not_hide_failed_tests(case: MakeCase) -> None:
    found = finding(case(outcomes=[outcome("a::test_a", "failed")]), "suite")
    assert not found.passed
    assert found.summary == "exit code 0, although tests failed"


def test_a_time_out_is_said_with_its_limit_and_remedy(case: MakeCase) -> None:
    late = ended(-9, interrupted="timeout: the session ran longer than 300 s")
    found = finding(case(evidence=late), "suite")
    assert not found.passed
    assert found.summary == "timeout: the session ran longer than 300 s"
    assert "raise services.cs1.types.unit.timeout" in found.details[0]


def test_an_interrupt_fails_without_advice_about_time(case: MakeCase) -> None:
    found = finding(case(evidence=ended(None, interrupted="signal SIGINT")), "suite")
    assert not found.passed
    assert "timeout" not in text(found)


def test_what_opens_a_failed_tests_database_is_said_below_it(case: MakeCase) -> None:
    ends = [{**outcome("a::b", "failed", "wrong"), "opens": ["nox -s db-cs1 -- 20261121/test_3"]}]
    found = finding(case(evidence=ended(1), outcomes=ends), "suite")
    assert found.details[:2] == ("failed: a::b: wrong", "  its database: nox -s db-cs1 -- 20261121/test_3")


@pytest.mark.parametrize("reason", ["bdb.BdbQuit", "OSError: pytest: reading from stdin while output is"])
def test_a_test_that_asks_the_terminal_is_told_that_there_is_none(case: MakeCase, reason: str) -> None:
    found = finding(case(evidence=ended(1), outcomes=[outcome("a::b", "failed", reason)]), "suite")
    assert "no terminal" in found.details[1]


@pytest.mark.parametrize("code", [0, 1])
def test_processes_that_were_left_running_are_named(case: MakeCase, tmp_path: Path, code: int) -> None:
    (tmp_path / "left_behind.json").write_text('["sleep 778"]', encoding="utf-8")
    ends = [outcome("a::b", "failed" if code else "passed")]
    found = finding(case(evidence=ended(code), outcomes=ends), "suite")
    assert found.passed == (not code)
    assert "left behind by the suite, ended: sleep 778" in found.details


# --- tests ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [None, []])
def test_a_type_without_a_test_fails_with_the_remedy(case: MakeCase, ends: Any) -> None:
    given = {} if ends is None else {"outcomes": ends}
    found = finding(case(kind="stress", evidence=ended(5), **given), "tests")
    assert not found.passed
    assert found.summary == "no test in tests/stress: a declared type must have one"
    assert found.details == ("write one, or set services.cs1.types.stress.enabled = false",)


def test_a_suite_whose_tests_are_all_skipped_ran_nothing(case: MakeCase) -> None:
    approved = case(outcomes=[outcome("a::b", "skipped")], approvals=(approval("*"),))
    found = finding(approved, "tests")
    assert not found.passed
    assert found.summary == "the only test in tests/unit was skipped, nothing ran"
    more = case(outcomes=[outcome("a::b", "skipped"), outcome("a::c", "skipped")], approvals=(approval("*"),))
    assert finding(more, "tests").summary == "all 2 tests in tests/unit were skipped, nothing ran"


@pytest.mark.parametrize(
    ("kind", "harness"), [("race", "noxlib_race"), ("chaos", "noxlib_chaos"), ("unit", "")]
)
def test_a_type_whose_harness_no_test_uses_is_warned_of(case: MakeCase, kind: str, harness: str) -> None:
    asked = case(kind=kind, outcomes=[outcome("a::b")])
    found = finding(asked, "tests")
    assert found.passed
    assert found.details == (
        (f"no test uses {harness}: {kind} tests without it find little",) if harness else ()
    )
    (asked.folder / "progress.jsonl").write_text('{"harness": true}\n')
    assert finding(asked, "tests").details == ()


def test_declared_paths_are_named(case: MakeCase) -> None:
    settings = SuiteSettings(paths=("spec", "more"))
    assert "no test in spec, more" in finding(case(settings=settings, evidence=ended(5)), "tests").summary
    skipped = case(settings=settings, outcomes=[outcome("a::b", "skipped")])
    assert "in spec, more was skipped" in finding(skipped, "tests").summary


def test_a_runner_of_its_own_needs_no_outcomes_unless_it_fails(case: MakeCase) -> None:
    settings = SuiteSettings(command=("python", "-m", "unittest"))
    assert finding(case(settings=settings, pytest=False), "tests").passed
    assert not finding(case(settings=settings, evidence=ended(1), pytest=False), "command").passed


def test_a_load_without_requests_fails_and_one_with_passes(case: MakeCase) -> None:
    idle = finding(case(kind="stress", load={"requests": 0, "iterations": 0}, pytest=False), "tests")
    assert (idle.passed, idle.summary) == (False, "the load made no request and no iteration")
    busy = finding(case(kind="stress", load={"requests": 7, "iterations": 0}, pytest=False), "tests")
    assert (busy.passed, busy.summary) == (True, "7 requests")


def test_a_broken_load_file_counts_as_no_load(case: MakeCase, tmp_path: Path) -> None:
    (tmp_path / "load.json").write_text("{", encoding="utf-8")
    assert not finding(case(kind="stress", pytest=False), "tests").passed


# --- skips ----------------------------------------------------------------------------------

SKIPPED = outcome("tests/e2e/test_live.py::test_game[a-1]", "skipped", 'needs a "live"\ngame')


def test_a_skip_without_an_approval_fails_with_the_block_to_paste(case: MakeCase) -> None:
    found = finding(case(kind="e2e", outcomes=[outcome("a"), SKIPPED]), "skips")
    assert not found.passed
    assert found.summary == "1 test skipped, or failed as expected, without an approval that holds"
    block = [line.removeprefix("  ") for line in found.details if line.startswith("  ")]
    assert block == [
        "[[services.cs1.approvals]]",
        'test = "tests/e2e/test_live.py::test_game[a-1]"',
        'kind = "skip"',
        'issue = "#..."',
        'reason = "needs a \\"live\\" game"',
        'owner = "..."',
        "expires = 2027-02-19",
    ]


@pytest.mark.parametrize("test", ["tests/e2e/test_live.py::*", SKIPPED["test"], "*[a-?]"])
@pytest.mark.parametrize("kind", ["skip", "capability"])
def test_an_approved_skip_passes(case: MakeCase, test: str, kind: str) -> None:
    given = case(kind="e2e", outcomes=[SKIPPED], approvals=(approval(test, kind=kind),))
    assert finding(given, "skips").passed


@pytest.mark.parametrize(
    "wrong",
    [
        {"test": "tests/unit/*"},
        {"kind": "xfail"},
        {"types": ("unit",)},
        {"expires": "2026-11-21"},
    ],
)
def test_an_approval_of_something_else_does_not_help(case: MakeCase, wrong: dict[str, Any]) -> None:
    given = approval(**{"test": "*", **wrong})
    assert not finding(case(kind="e2e", outcomes=[SKIPPED], approvals=(given,)), "skips").passed


def test_an_expired_approval_says_since_when_and_whose_it_is(case: MakeCase) -> None:
    old = approval("*", expires="2026-01-31")
    found = finding(case(kind="e2e", outcomes=[SKIPPED], approvals=(old,)), "skips")
    assert "its approval (#165, data) has been void since 2026-01-31" in found.details


def test_a_renewed_approval_holds_beside_the_expired_one(case: MakeCase) -> None:
    both = (approval("*", expires="2026-01-31"), approval("*", types=("e2e",)))
    assert finding(case(kind="e2e", outcomes=[SKIPPED], approvals=both), "skips").passed


@pytest.mark.parametrize("how", ["xfailed", "xpassed"])
def test_an_expected_failure_needs_an_approval_of_its_kind(case: MakeCase, how: str) -> None:
    ends = [outcome("a::b", how)]
    found = finding(case(outcomes=ends, approvals=(approval("*"),)), "skips")
    assert not found.passed
    assert '  kind = "xfail"' in found.details
    assert '  reason = "..."' in found.details
    assert found.details[0] == f"{how}: a::b"
    assert ("it passes" in text(found)) == (how == "xpassed")
    assert finding(case(outcomes=ends, approvals=(approval("*", kind="xfail"),)), "skips").passed


def test_only_ten_skips_are_spelt_out(case: MakeCase) -> None:
    found = finding(case(outcomes=[outcome(f"a::t{n}", "skipped") for n in range(12)]), "skips")
    assert found.summary.startswith("12 tests skipped")
    assert found.details[-1] == "... and 2 more"


# --- approvals that nothing goes by ---------------------------------------------------------


def test_an_approval_that_matches_no_test_is_a_warning(case: MakeCase) -> None:
    gone = approval("tests/unit/test_old.py::*")
    said = 'the approval of "tests/unit/test_old.py::*" (#165, data) matches no test: mend or remove it'
    passed = finding(case(outcomes=[outcome("tests/unit/test_a.py::a")], approvals=(gone,)), "skips")
    assert (passed.passed, passed.details) == (True, (said,))
    failed = finding(case(outcomes=[outcome("a", "skipped")], approvals=(gone,)), "skips")
    assert (failed.passed, failed.details[-1]) == (False, said)


@pytest.mark.parametrize(
    "other",
    [
        approval("tests/unit/test_a.py::*"),
        approval("tests/e2e/*"),
        approval("tests/unit/gone", types=("e2e",)),
        approval("*::gone"),
    ],
)
def test_an_approval_that_another_type_may_need_is_no_warning(case: MakeCase, other: Approval) -> None:
    ends = [outcome("tests/unit/test_a.py::a")]
    assert finding(case(outcomes=ends, approvals=(other,)), "skips").details == ()


def test_a_run_that_was_narrowed_says_nothing_about_approvals(case: MakeCase) -> None:
    gone = approval("tests/unit/test_old.py::*", types=("unit",))
    narrowed = case(outcomes=[outcome("a")], approvals=(gone,), posargs=("tests/unit/test_a.py",))
    assert finding(narrowed, "skips").details == ()
