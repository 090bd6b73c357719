"""What kept a suite from its end is said alone, and by its cause: what pytest printed and left."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from noxlib.gates import Case, counts, judge, measured_percent
from noxlib.model import TEST_TYPES, Evidence, Finding, Postgres, Service, SessionPlan, SuiteSettings

USAGE = """ERROR: usage: python -m pytest [options] [file_or_dir] [file_or_dir] [...]
python -m pytest: error: unrecognized arguments: --bogus
  inifile: /project/pytest.ini
  rootdir: /project

"""
CONFTEST = """ImportError while loading conftest '{folder}/tests/unit/conftest.py'.
tests/unit/conftest.py:1: in <module>
    raise RuntimeError("boom")
\x1b[1m\x1b[31mE   RuntimeError: boom\x1b[0m
"""
INTERNAL = """INTERNALERROR> Traceback (most recent call last):
INTERNALERROR>   File "/x/_pytest/main.py", line 333, in wrap_session
INTERNALERROR> pluggy.PluginValidationError: unknown hook
INTERNALERROR> assert not 1

============================ no tests ran in 0.83s =============================
"""
STACK = """Current thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 320 in wait
  File "{folder}/src/shop/mod.py", line 7 in wait_for_ever
  File "{folder}/tests/unit/test_a.py", line 3 in test_hangs
  File "{folder}/.nox/lib/_pytest/python.py", line 166 in pytest_pyfunc_call

Thread 0x00007f0000000002 (most recent call first):
  File "{folder}/.nox/noxlib/envs/x/execnet/gateway_base.py", line 411 in read
"""


class Suite:
    """What one run left, and the judgement of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "run"
        self.service = folder / "services" / "cs1"
        (self.folder / "logs").mkdir(parents=True)
        self.service.mkdir(parents=True)

    def printed(self, text: str) -> None:
        log = text.replace("{folder}", str(self.service))
        (self.folder / "logs" / "suite.log").write_text(log, encoding="utf-8")

    def stacks(self, text: str) -> None:
        stacks = text.replace("{folder}", str(self.service))
        (self.folder / "logs" / "stacks-7.log").write_text(stacks, encoding="utf-8")

    def noted(self, *lines: dict[str, Any], torn: str = "") -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines) + torn
        (self.folder / "progress.jsonl").write_text(text, encoding="utf-8")

    def finished(self, **ends: str) -> None:
        rows = [
            {"test": f"tests/unit/test_a.py::{name}", "outcome": how, "seconds": 0.1}
            for name, how in ends.items()
        ]
        (self.folder / "outcomes.json").write_text(json.dumps(rows), encoding="utf-8")

    def case(self, code: int | None, *posargs: str, **given: Any) -> Case:
        names = Evidence.__dataclass_fields__
        facts = {key: given.pop(key) for key in list(given) if key in names}
        settings = given.pop("settings", SuiteSettings())
        service = Service(
            name="cs1",
            path="services/cs1",
            source=("src",),
            postgres=given.pop("postgres", ()),
            types=dict.fromkeys(TEST_TYPES, settings),
        )
        plan = SessionPlan(
            name="unit-cs1", service="cs1", type="unit", python="", tags=(), description="", exclusive=False
        )
        return Case(
            plan=plan,
            service=service,
            settings=settings,
            folder=self.folder,
            service_folder=self.service,
            evidence=Evidence(suite_exit=code, suite_seconds=1.0, ready_seconds=0.1, **facts),
            today=dt.date(2026, 11, 21),
            posargs=posargs,
            **given,
        )

    def only(self, code: int | None, *posargs: str, **given: Any) -> Finding:
        """Return the one finding: one cause has one reason."""
        verdict = judge(self.case(code, *posargs, **given))
        assert not verdict.passed
        (found,) = verdict.findings
        return found


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


BEGUN = {"begun": "tests/unit/test_a.py::test_hangs"}
PASSED = {
    "ended": "tests/unit/test_a.py::test_one",
    "outcome": {"test": "tests/unit/test_a.py::test_one", "outcome": "passed", "seconds": 0.1},
}


def left_out(count: int, by: int) -> dict[str, Any]:
    return {"deselected": count, "first": [f"tests/unit/test_a.py::test_{n}" for n in range(count)], "by": by}


# --- pytest didn't start --------------------------------------------------------------------


def test_a_conftest_that_raises_is_named_with_its_error(suite: Suite) -> None:
    suite.printed(CONFTEST)
    found = suite.only(4)
    assert found.summary == "tests/unit/conftest.py could not be loaded: RuntimeError: boom"
    assert "tests/unit/conftest.py:1: in <module>" in found.details
    assert found.details[-1].startswith("log: ")


def test_an_unknown_option_is_led_back_to_whoever_gave_it(suite: Suite) -> None:
    suite.printed(USAGE)
    summary = "pytest did not start (exit code 4): unrecognized arguments: --bogus"
    typed = suite.only(4, "--bogus")
    assert (typed.summary, typed.details[0]) == (summary, "--bogus stands behind `--`")
    settings = SuiteSettings(args=("--bogus",))
    assert suite.only(4, settings=settings).details[0] == "--bogus stands in services.cs1.types.unit.args"
    assert "  inifile: /project/pytest.ini" in suite.only(4).details


def test_what_pytest_printed_last_stands_for_a_reason_that_it_did_not_give(suite: Suite) -> None:
    suite.printed("\n".join(f"line {number}\n" for number in range(20)))
    found = suite.only(1)
    assert found.summary == "pytest did not start (exit code 1)"
    assert found.details[:-1] == tuple(f"line {number}" for number in range(12, 20))


def test_an_internal_error_is_named(suite: Suite) -> None:
    suite.printed(INTERNAL)
    suite.noted()
    suite.finished()
    found = suite.only(3)
    assert found.summary == (
        "pytest had an internal error (exit code 3): pluggy.PluginValidationError: unknown hook"
    )


# --- nothing was selected -------------------------------------------------------------------


def test_arguments_that_select_nothing_are_the_reason(suite: Suite) -> None:
    suite.noted()
    suite.finished()
    found = suite.only(5, "-k", "nothing")
    assert found.summary == "the arguments behind `--` selected no test"
    assert found.details == ()


def test_a_file_that_is_not_there_is_named(suite: Suite) -> None:
    suite.noted()
    suite.finished()
    words = ("-x", "tests/unit/nofile.py::test_a", "-m", "slow")
    assert suite.only(5, *words).details == ("there is no tests/unit/nofile.py::test_a in services/cs1",)


@pytest.mark.parametrize("code", [3, 4])
def test_what_a_worker_of_xdist_refuses_is_said(suite: Suite, code: int) -> None:
    suite.noted({"refused": "Wrong expression passed to '-k': a and (b"})
    suite.finished()
    summary = "the arguments behind `--` selected no test: Wrong expression passed to '-k': a and (b"
    assert suite.only(code, "-k", "a and (b").summary == summary


def test_an_expression_of_the_project_is_not_blamed_on_the_user(suite: Suite) -> None:
    suite.noted()
    suite.finished()
    suite.printed("ERROR: Wrong expression passed to '-m': not (\n\n=== test session starts ===\n")
    assert suite.only(4).summary == "pytest selected no test: Wrong expression passed to '-m': not ("


@pytest.mark.parametrize("word", ["--collect-only", "--version"])
def test_what_ran_nothing_on_purpose_is_not_judged(suite: Suite, word: str) -> None:
    if word == "--collect-only":
        suite.noted()
        suite.finished()
    found = suite.only(0, word)
    assert found.summary == f"nothing was run (`-- {word}`), so nothing is judged"


def test_a_configuration_that_runs_nothing_is_the_reason(suite: Suite) -> None:
    suite.noted()
    suite.finished()
    found = suite.only(0)
    assert found.summary == "pytest ended well and ran no test"
    assert "--collect-only and the like" in found.details[0]


def test_a_pytest_without_the_plugin_is_not_believed(suite: Suite) -> None:
    found = suite.only(0)
    assert found.summary == "pytest ran without noxlib's plugin: nobody knows what it ran"
    assert "-p no:noxlib" in found.details[0]


def test_tests_that_addopts_leaves_out_are_not_called_missing(suite: Suite) -> None:
    suite.noted(*(left_out(count, by) for by in (7, 8) for count in (1, 2)))
    suite.finished()
    found = suite.only(5)
    assert (found.gate, found.summary) == ("tests", "no test in tests/unit was left to run: 3 deselected")


def test_tests_that_did_not_run_beside_others_are_counted_and_named(suite: Suite) -> None:
    suite.noted(*(left_out(count, by) for by in (7, 8) for count in (1, 2)))
    suite.finished(test_ran="passed")
    case = suite.case(0)
    assert counts(case) == {"passed": 1, "deselected": 3}
    warnings = [detail for found in judge(case).findings if found.gate == "tests" for detail in found.details]
    names = ", ".join(f"tests/unit/test_a.py::test_{n}" for n in (0, 0, 1))
    assert warnings == [f"3 tests were deselected by pytest's configuration and didn't run: {names}"]
    asked = judge(suite.case(0, "-k", "ran"))
    assert not any("deselected" in detail for found in asked.findings for detail in found.details)


def test_workers_that_are_gone_while_they_import_name_the_file(suite: Suite) -> None:
    suite.noted({"ended": "."}, {"begun": "tests/unit/test_a.py"}, {"begun": "tests/unit/test_a.py"})
    suite.finished()
    found = suite.only(5)
    assert found.summary == "no test ran: the process was gone while it imported tests/unit/test_a.py"


def test_a_folder_without_a_test_is_the_only_reason(suite: Suite) -> None:
    suite.noted()
    suite.finished()
    found = suite.only(5)
    assert (found.gate, found.summary) == ("tests", "no test in tests/unit: a declared type must have one")


# --- cut short ------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "how"), [(0, "exit code 0"), (-9, "ended by SIGKILL")])
def test_a_process_that_is_gone_before_pytests_end_names_the_test(suite: Suite, code: int, how: str) -> None:
    suite.noted(PASSED, BEGUN, torn='{"beg')
    found = suite.only(code)
    assert found.summary == f"the suite ended before pytest finished ({how})"
    assert found.details[0] == "running: tests/unit/test_a.py::test_hangs"


def test_a_process_that_is_gone_while_it_imports_names_the_file(suite: Suite) -> None:
    suite.noted({"begun": "tests/unit/test_a.py"})
    assert suite.only(3).details[0] == "importing: tests/unit/test_a.py"


def test_a_process_that_is_gone_between_tests_shows_its_last_lines(suite: Suite) -> None:
    suite.noted(PASSED)
    suite.printed("Fatal Python error: Segmentation fault\n")
    assert suite.only(-11).details[0] == "Fatal Python error: Segmentation fault"


LATE: dict[str, Any] = {"interrupted": "timeout: the session ran longer than 6 s"}


def test_a_test_that_hangs_is_named_with_the_place_where_it_stands(suite: Suite) -> None:
    suite.noted(PASSED, BEGUN)
    suite.stacks(STACK)
    found = suite.only(-15, **LATE)
    assert found.summary == LATE["interrupted"]
    assert found.details[:3] == (
        "running: tests/unit/test_a.py::test_hangs",
        "it stands at src/shop/mod.py:7 in wait_for_ever",
        "mend what hangs, or raise services.cs1.types.unit.timeout",
    )
    assert found.details[3] == f"stacks: {suite.folder / 'logs'}"


def test_what_failed_before_the_time_was_up_is_named_too(suite: Suite) -> None:
    name = "tests/unit/test_a.py::test_wrong"
    outcome = {**PASSED["outcome"], "test": name, "outcome": "failed", "reason": "assert 1 == 2"}
    suite.noted({"ended": name, "outcome": outcome}, BEGUN)
    assert f"failed: {name}: assert 1 == 2" in suite.only(-15, **LATE).details


def test_a_pytest_that_cannot_end_after_its_tests_is_told_apart(suite: Suite) -> None:
    suite.noted(PASSED)
    suite.finished(test_one="passed", test_two="passed")
    found = suite.only(-15, **LATE)
    assert found.details[0] == "all 2 tests had ended: a thread or a process keeps pytest from ending"


def test_time_that_ran_out_between_tests_or_without_pytest_names_no_test(suite: Suite) -> None:
    assert suite.only(-15, **LATE).details[0].startswith("mend what hangs")
    suite.noted(PASSED)
    assert suite.only(-15, **LATE).details[0] == "no test was running"


def test_a_run_that_was_cut_short_has_no_coverage_to_show(suite: Suite) -> None:
    suite.noted(PASSED, BEGUN)
    assert measured_percent(suite.case(0)) is None


# --- stopped in the middle ------------------------------------------------------------------


def test_a_file_that_cannot_be_imported_is_the_only_reason(suite: Suite) -> None:
    suite.noted()
    row = {"test": "tests/unit/test_a.py", "outcome": "error", "seconds": 0.0, "reason": "E: no module x"}
    (suite.folder / "outcomes.json").write_text(json.dumps([row]), encoding="utf-8")
    found = suite.only(2)
    assert found.summary == "a test file could not be imported"
    assert found.details[0] == "error: tests/unit/test_a.py: E: no module x"


def test_what_called_pytest_exit_is_quoted(suite: Suite) -> None:
    suite.noted(PASSED)
    suite.finished(test_one="passed")
    suite.printed("!!!!!!!!!! _pytest.outcomes.Exit: no licence !!!!!!!!!!\n=== 1 passed ===\n")
    assert suite.only(2).summary == "pytest was interrupted (exit code 2): Exit: no licence"


def test_a_debugger_has_no_terminal(suite: Suite) -> None:
    suite.noted()
    suite.finished(test_a="failed")
    found = suite.only(2, "--pdb", postgres=(Postgres(),))
    assert found.summary == "pytest was stopped by its debugger (exit code 2)"
    assert found.details[0] == "failed: tests/unit/test_a.py::test_a"
    assert found.details[1].startswith("the suite has no terminal")
    assert "nox -s db-cs1" in found.details[2]


# --- another runner -------------------------------------------------------------------------


def test_another_runner_is_not_spoken_of_as_pytest(suite: Suite) -> None:
    suite.printed("FAILED (failures=1)\n")
    settings = SuiteSettings(command=("python", "-m", "unittest"))
    for code, how in ((1, "exit code 1"), (4, "exit code 4"), (-11, "ended by SIGSEGV")):
        found = suite.only(code, settings=settings, pytest=False)
        assert (found.gate, found.summary) == ("command", how)
        assert found.details[0] == "FAILED (failures=1)"
        assert "pytest" not in "".join([found.summary, *found.details[:-1]])


def test_a_runner_that_ran_pytest_after_all_is_judged_by_its_tests(suite: Suite) -> None:
    suite.noted(PASSED, BEGUN)
    found = suite.only(0, pytest=False, settings=SuiteSettings(command=("make", "test")))
    assert found.summary == "the suite ended before pytest finished (exit code 0)"


# --- before the suite -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gate"), [("ResourceError", "resource"), ("ConfigError", "services.toml"), ("", "noxlib")]
)
def test_an_error_before_the_suite_is_labelled_by_its_class(suite: Suite, name: str, gate: str) -> None:
    found = suite.only(None, error="services.cs1.postgres: no\n  to fix it: yes", error_class=name)
    assert (found.gate, found.summary) == (gate, "services.cs1.postgres: no")
    assert found.details == ("  to fix it: yes",)


def test_a_process_that_died_is_named_beside_what_it_may_have_caused(suite: Suite) -> None:
    verdict = judge(suite.case(-15, **LATE, deaths=("services.cs1.process: ended",)))
    assert [each.gate for each in verdict.findings] == ["suite", "processes"]
