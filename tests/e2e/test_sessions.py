"""The main job, seen from the command line: real nox, real virtualenvs, real servers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys

import pytest
from conftest import BOXES, Platform

from noxlib import launch
from noxlib.environment.python import find_python
from noxlib.errors import NoxlibError


def test_the_list_has_one_clear_line_for_each_session(platform: Platform) -> None:
    result = platform.nox("-l").assert_ok()
    result.assert_says(
        "integration-a [all-types,integration,a] -> a: integration tests on PostgreSQL",
        "coverage-report [all-types]",
    )
    assert "property-a" not in result.output


@pytest.mark.parametrize("box", BOXES)
def test_every_type_passes_and_the_report_judges_them_together(platform: Platform, box: str) -> None:
    result = platform.nox("-t", "all-types", env={"NOXLIB_BOX": box}).assert_ok()
    result.assert_says(
        "unit-a: passed: 2 passed",
        f"{box} box; PostgreSQL",
        "e2e-b: passed",
        "stress-a: passed",
        "race-a: passed",
        "chaos-a: passed",
    )
    report = platform.folder / ".noxlib/report/coverage"
    for name in ("coverage.md", "coverage.json"):
        assert (report / name).is_file()
    assert list(report.rglob("index.html"))
    assert list(report.rglob("coverage.xml"))


def test_two_sessions_at_a_time_give_the_same_verdicts(platform: Platform) -> None:
    words = ("-s", "unit-a", "unit-b", "integration-a", "e2e-b")
    serial = platform.nox(*words).assert_ok()
    parallel = platform.nox("-j", "2", *words).assert_ok()
    for name in words[1:]:
        assert f"{name}: passed" in serial.output
        assert f"{name}: passed" in parallel.output


def test_the_same_session_can_run_twice_at_once(platform: Platform) -> None:
    other = platform.start("-s", "integration-a")
    platform.nox("-s", "integration-a").assert_ok()
    assert other.wait(60) == 0


def test_pytest_gets_what_stands_behind_the_dashes(platform: Platform) -> None:
    result = platform.nox("-s", "unit-a", "--", "-k", "zero", "-x").assert_ok()
    result.assert_says("unit-a: passed: 1 passed")
    record = json.loads((result.run_folder("unit-a") / "record.json").read_text(encoding="utf-8"))
    assert record["partial"], "the coverage report must not take it for the suite"
    platform.nox("-s", "unit-a", "--", "tests/unit/test_mod.py::test_zero").assert_ok().assert_says(
        "1 passed"
    )


def test_a_failing_test_is_named_with_its_evidence(platform: Platform) -> None:
    platform.write({"a/tests/unit/test_extra.py": "def test_wrong(): assert 1 == 2\n"})
    result = platform.nox("-s", "unit-a").assert_failed()
    result.assert_says(
        "unit-a: failed", "test_extra.py::test_wrong", ".noxlib/runs/main/unit-a/", "suite.log"
    )


def test_a_type_without_a_test_fails(platform: Platform) -> None:
    (platform.folder / "a/tests/unit/test_mod.py").unlink()
    platform.nox("-s", "unit-a").assert_failed().assert_says("services.a.types.unit.enabled = false")


def test_a_skip_needs_an_approval(platform: Platform) -> None:
    skip = "import pytest\n\n@pytest.mark.skip(reason='later')\ndef test_later(): pass\n"
    platform.write({"a/tests/unit/test_extra.py": skip})
    result = platform.nox("-s", "unit-a").assert_failed()
    result.assert_says("[[services.a.approvals]]", "tests/unit/test_extra.py::test_later")
    approval = """
[[services.a.approvals]]
test = "tests/unit/test_extra.py::*"
kind = "skip"
issue = "#1"
reason = "later"
owner = "me"
expires = {day}
"""
    services = platform.folder / "services.toml"
    text = services.read_text()
    services.write_text(text + approval.format(day="2999-01-01"))
    platform.nox("-s", "unit-a").assert_ok()
    services.write_text(text + approval.format(day="2020-01-01"))
    platform.nox("-s", "unit-a").assert_failed().assert_says("void since 2020-01-01")


def test_a_gate_that_is_missed_names_the_lines_that_would_close_it(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    services.write_text(services.read_text() + "[services.a.types.unit]\nfail_under = 99\n")
    platform.nox("-s", "unit-a").assert_failed().assert_says("coverage", "src/mod.py:3")
    platform.nox("-s", "unit-a", "--", "-k", "zero").assert_ok()
    # Neither leaves a test out.
    platform.nox("-s", "unit-a", "--", "-v", "-k", "test_").assert_failed().assert_says("the gate is 99 %")


def test_a_unit_test_may_open_no_socket(platform: Platform) -> None:
    text = "import socket\n\ndef test_opens():\n    socket.create_connection(('127.0.0.1', 1))\n"
    platform.write({"a/tests/unit/test_extra.py": text})
    platform.nox("-s", "unit-a").assert_failed().assert_says("test_opens", "a unit test")


def test_the_report_names_runs_that_are_missing_or_stale(platform: Platform) -> None:
    words = ("-s", "coverage-report", "--", "b")
    platform.nox("-s", "unit-b", "e2e-b").assert_ok()
    platform.nox(*words).assert_ok()
    platform.write({"b/src/mod.py": "def twice(x):\n    return 2 * x\n"})
    platform.nox(*words).assert_failed().assert_says("nox -s unit-b")
    wrong = platform.folder / "b/tests/unit/test_wrong.py"
    wrong.write_text("def test_wrong(): assert False\n")
    platform.nox("-s", "unit-b", "e2e-b").assert_failed()
    platform.nox(*words).assert_failed().assert_says("unit-b: its newest run failed: run `nox -s unit-b`")
    wrong.unlink()
    platform.nox("-s", "coverage-report", "--", "nobody").assert_failed().assert_says(
        "no service named nobody"
    )


def test_what_is_kept_holds_no_absolute_path_and_no_secret(platform: Platform) -> None:
    platform.nox("-s", "unit-b").assert_ok()  # the history's row is looked at below
    secret = "correct-horse-battery-staple"
    text = "import os\n\ndef test_prints():\n    print(os.environ['MY_TOKEN'])\n    assert os.environ['MY_TOKEN'] == ''\n"
    platform.write({"a/tests/unit/test_extra.py": text})
    result = platform.nox("-s", "unit-a", env={"MY_TOKEN": secret}).assert_failed()
    assert secret not in result.output
    folder = platform.folder / ".noxlib"
    newest = result.run_folder("unit-a")
    for path in newest.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    assert str(platform.folder) not in (newest / "plan.json").read_text()
    with sqlite3.connect(folder / "history.sqlite") as history:
        rows = history.execute("SELECT record FROM runs WHERE passed").fetchall()
    assert rows
    assert all(str(platform.folder) not in row[0] for row in rows)


def test_a_service_may_have_another_runner(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    runner = (
        '[services.a.types.unit]\ncommand = ["{python}", "-m", "unittest", "-v", "tests/unit/test_u.py"]\n'
    )
    services.write_text(services.read_text() + runner)
    case = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        import mod\n"
    platform.write({"a/tests/unit/test_u.py": case})
    platform.nox("-s", "unit-a").assert_ok().assert_says("unit-a: passed")
    (platform.folder / "a/tests/unit/test_u.py").unlink()


def test_a_projects_own_addopts_stay_in_force(platform: Platform) -> None:
    platform.write({"a/pytest.ini": "[pytest]\naddopts = -n 1 -k doubles\n"})
    result = platform.nox("-s", "unit-a")
    (platform.folder / "a/pytest.ini").unlink()
    result.assert_ok().assert_says("1 worker", "unit-a: passed: 1 passed")


def test_reuse_without_a_virtualenv_is_refused(platform: Platform) -> None:
    platform.write({"a/requirements.lock": "iniconfig==2.1.0\n"})
    platform.nox("-R", "-s", "unit-a").assert_failed().assert_says("to fix it:")


def test_a_worktree_keeps_its_runs_apart_in_the_main_checkouts_state(platform: Platform) -> None:
    tree = platform.folder.parent / "tree"
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    quiet = launch.Setting(cwd=platform.folder, sink=lambda _chunk: None)
    for words in (["init", "-q"], ["add", "a", "b", "noxfile.py", "services.toml"]):
        assert launch.run(["git", *words], quiet).code == 0
    assert launch.run(["git", *identity, "commit", "-qm", "x"], quiet).code == 0
    assert launch.run(["git", "worktree", "add", "-q", str(tree)], quiet).code == 0
    Platform(tree).nox("-s", "unit-a").assert_ok()
    record = next(platform.folder.glob(".noxlib/runs/tree/unit-a/*/record.json"))
    assert json.loads(record.read_text())["verdict"]["passed"]
    assert not (tree / ".noxlib").exists()


def test_a_forced_python_is_the_one_that_runs(platform: Platform) -> None:
    other = _another_python()
    text = f"import sys\n\ndef test_version(): assert '%d.%d' % sys.version_info[:2] == '{other}'\n"
    platform.write({"a/tests/unit/test_extra.py": text})
    result = platform.nox("--force-python", other, "-s", "unit-a").assert_ok()
    result.assert_says(f"unit-a-{other}: passed: 3 passed")
    platform.nox("--force-python", "3.99", "-s", "unit-a").assert_failed().assert_says("Python 3.99")
    platform.nox("--extra-python", other, "-s", "unit-a").assert_failed().assert_says("use --force-python")
    platform.nox("--force-python", other, "-s", "coverage-report").assert_failed().assert_says(
        "coverage-report has no Python of its own"
    )


def _another_python() -> str:
    """Return a version that this machine has beside the one that runs nox; that one, if it's alone."""
    own = "{}.{}".format(*sys.version_info[:2])
    for version in ("3.13", "3.12", "3.11", "3.10"):
        with contextlib.suppress(NoxlibError):
            if version != own and find_python(version):
                return version
    return own
