"""Suites that go wrong, through real nox: the verdict names the cause, and nothing that only follows from it."""

from __future__ import annotations

import signal

import pytest
from conftest import Platform

from noxlib.testing import Result

EXTRA = "a/tests/unit/test_extra.py"
LIMIT = '[services.a.types.unit]\ntimeout = "6s"\nworkers = "{workers}"\n'


def verdict(result: Result) -> list[str]:
    """Return the reasons, each by its label, from a verdict that stands on lines of its own."""
    lines = result.output.splitlines()
    begun = next(index for index, line in enumerate(lines) if line.startswith("unit-a: "))
    return [line for line in lines[begun + 1 :] if line.startswith("  ") and not line.startswith("   ")]


def test_a_conftest_that_raises_is_the_one_reason(platform: Platform) -> None:
    platform.write({"a/tests/unit/conftest.py": "raise RuntimeError('boom')\n"})
    try:
        result = platform.nox("-s", "unit-a").assert_failed()
    finally:
        (platform.folder / "a/tests/unit/conftest.py").unlink()
    assert verdict(result) == ["  suite: tests/unit/conftest.py could not be loaded: RuntimeError: boom"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-k", "nothing"], "the arguments behind `--` selected no test"),
        (["-n2", "-k", "a and (b"], "the arguments behind `--` selected no test: Wrong expression"),
        (["--bogus"], "pytest did not start (exit code 4): unrecognized arguments: --bogus"),
        (["--collect-only"], "nothing was run (`-- --collect-only`), so nothing is judged"),
    ],
)
def test_a_slip_behind_the_dashes_is_the_one_reason(
    platform: Platform, words: list[str], reason: str
) -> None:
    (said,) = verdict(platform.nox("-s", "unit-a", "--", *words).assert_failed())
    assert said.startswith(f"  suite: {reason}")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_that_hangs_is_named_with_its_line(platform: Platform, workers: int) -> None:
    services = platform.folder / "services.toml"
    services.write_text(services.read_text() + LIMIT.format(workers=workers))
    platform.write({EXTRA: "import time\ndef wait(): time.sleep(60)\ndef test_hangs(): wait()\n"})
    result = platform.nox("-s", "unit-a").assert_failed()
    assert len(verdict(result)) == 1
    result.assert_says(
        "running: tests/unit/test_extra.py::test_hangs", "it stands at tests/unit/test_extra.py:2 in wait"
    )


def test_a_thread_that_outlives_the_tests_is_told_apart_from_them(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    services.write_text(services.read_text() + LIMIT.format(workers=2))
    text = "import threading, time\ndef wait(): time.sleep(60)\ndef test_starts(): threading.Thread(target=wait).start()\n"
    platform.write({EXTRA: text})
    platform.nox("-s", "unit-a").assert_failed().assert_says(
        "unit-a: failed: 3 passed",
        "all 3 tests had ended: a thread or a process keeps pytest from ending",
        "it stands at tests/unit/test_extra.py:2 in wait",
    )


def test_a_process_that_is_gone_is_no_missing_test(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    services.write_text(services.read_text() + LIMIT.format(workers=0))
    platform.write({EXTRA: "import os\ndef test_ends_it_all(): os._exit(0)\n"})
    result = platform.nox("-s", "unit-a").assert_failed()
    assert verdict(result) == ["  suite: the suite ended before pytest finished (exit code 0)"]
    result.assert_says("running: tests/unit/test_extra.py::test_ends_it_all")


@pytest.mark.parametrize("box", ["namespace", "guarded"])
def test_processes_that_were_left_running_are_a_warning(platform: Platform, box: str) -> None:
    text = (
        "import subprocess\ndef test_leaves(): subprocess.Popen(['sleep', '778'], start_new_session=True)\n"
    )
    platform.write({EXTRA: text})
    result = platform.nox("-s", "unit-a", env={"NOXLIB_BOX": box}).assert_ok()
    assert verdict(result) == ["  warning: left behind by the suite, ended: sleep 778"]


def test_a_migration_that_fails_is_named_by_its_class(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    services.write_text(services.read_text().replace("create table account", "create tabel account"))
    platform.nox("-s", "integration-a").assert_failed().assert_says(
        "integration-a: failed: ResourceError, exit code 14, before the suite began; ", "\n  resource: "
    )


def test_an_interrupted_session_says_where_its_evidence_is(platform: Platform) -> None:
    # A warning of coverage.py's at the end of such a process would be an error in the middle of an import.
    strict = {"a/pytest.ini": "[pytest]\nfilterwarnings = error\n"}
    platform.write({**strict, "a/tests/unit/test_mod.py": "import time\ntime.sleep(60)\n"})
    (platform.folder / "nox.log").unlink(missing_ok=True)
    child = platform.start("-s", "unit-a", "--", "-n0")
    runs = platform.folder / ".noxlib/runs/main/unit-a"
    before = set(runs.glob("*/progress.jsonl"))
    while not [each for each in set(runs.glob("*/progress.jsonl")) - before if each.stat().st_size]:
        assert child.wait(0.1) is None
    child.send(signal.SIGINT)
    assert child.wait(30) == 130
    (platform.folder / "a/pytest.ini").unlink()
    said = (platform.folder / "nox.log").read_text()
    assert "unit-a: interrupted; evidence in .noxlib/runs/main/unit-a/" in said
    assert "CoverageWarning" not in said
