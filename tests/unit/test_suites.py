"""Each suite's command line: the type's own arguments, coverage, workers, templates, another runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from noxlib import suites
from noxlib.errors import ConfigError
from noxlib.model import TEST_TYPES, Address, Lease, SuiteSettings
from noxlib.suites.suite import PYTEST, Suite, is_measured, values

MakeSuite = Callable[..., Suite]
PROCESS = Lease(resource="cs1/process", kind="process", address=Address(host="127.0.0.1", port=8001))
OWN = {
    "unit": [],
    "property": ["--hypothesis-show-statistics"],
    "integration": ["--record-mode=none"],
    "e2e": [],
    "stress": [],
    "race": [],
    "performance": [
        "--benchmark-only",
        "--benchmark-json={run}/benchmark.json",
        "--benchmark-disable-gc",
        "-p",
        "no:xdist",
    ],
    "chaos": [],
}


def own(suite: Suite) -> list[str]:
    """Return what stands between pytest's common arguments and the paths."""
    return suites.command(suite)[6:-1]


# --- the command lines ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", TEST_TYPES)
def test_every_type_is_pytest_with_arguments_of_its_own(
    make_suite: MakeSuite, kind: str, tmp_path: Path
) -> None:
    assert suites.command(make_suite(kind, workers="0")) == [
        "/env/bin/python",
        "-m",
        "pytest",
        f"--junitxml={tmp_path}/run/junit.xml",
        "-o",
        f"cache_dir={tmp_path}/.noxlib/pytest/{kind}-cs1",
        *(word.format(run=tmp_path / "run") for word in OWN[kind]),
        f"tests/{kind}",
    ]


def test_the_users_words_come_after_the_settings_and_these_after_the_types(make_suite: MakeSuite) -> None:
    found = own(make_suite("integration", plugins=("extra",), args=("-q",), posargs=("-x", "-k", "zero")))
    assert found == ["-p", "extra", "--record-mode=none", "-q", "-x", "-k", "zero"]


def test_a_measured_suite_runs_under_pytest_cov_without_a_report_of_its_own(make_suite: MakeSuite) -> None:
    assert own(make_suite("e2e", rcfile=Path("/run/rcfile"))) == [
        "--cov",
        "--cov-config=/run/rcfile",
        "--cov-report=",
    ]


def test_a_service_without_source_and_a_type_that_is_timed_are_not_measured(make_suite: MakeSuite) -> None:
    service = make_suite().service
    assert [kind for kind in TEST_TYPES if is_measured(service, kind)] == [
        "unit",
        "property",
        "integration",
        "e2e",
    ]
    assert not is_measured(replace(service, source=()), "unit")


def test_the_declared_paths_replace_the_types_folder(make_suite: MakeSuite) -> None:
    assert suites.command(make_suite(paths=("spec/a", "spec/b"), workers="0"))[-2:] == ["spec/a", "spec/b"]


@pytest.mark.parametrize("word", ["tests/unit", "tests/unit/test_a.py::test_b"])
def test_a_test_that_the_user_names_replaces_the_paths(make_suite: MakeSuite, word: str) -> None:
    suite = make_suite(posargs=("-x", word), workers="0")
    (suite.folder / "tests/unit/test_a.py").touch()
    assert suites.command(suite)[6:] == ["-x", word]


def test_a_word_that_names_no_file_leaves_the_paths(make_suite: MakeSuite) -> None:
    assert suites.command(make_suite(posargs=("-k", "zero"), workers="0"))[6:] == ["-k", "zero", "tests/unit"]


def test_an_expression_that_is_called_like_a_folder_is_no_path(make_suite: MakeSuite) -> None:
    words = ("-k", "tests", "-m", "tests")
    assert suites.command(make_suite(posargs=words, workers="0"))[6:] == [*words, "tests/unit"]


def test_files_are_looked_for_where_the_suite_runs(make_suite: MakeSuite) -> None:
    suite = make_suite(cwd="sub", posargs=("test_a.py",), workers="0")
    assert suite.folder == suite.service_folder / "sub"
    (suite.folder / "test_a.py").touch()
    assert suites.command(suite)[6:] == ["test_a.py"]


def test_an_open_network_may_record_new_cassettes(make_suite: MakeSuite) -> None:
    assert own(make_suite("integration", network="open")) == ["--record-mode=once"]


def test_xdist_is_left_to_a_benchmark_that_asks_for_it(make_suite: MakeSuite) -> None:
    assert "no:xdist" not in own(make_suite("performance", args=("-n", "0")))


# --- templates and runners ------------------------------------------------------------------


def test_templates_are_filled_in_args_and_paths(make_suite: MakeSuite, tmp_path: Path) -> None:
    suite = make_suite(
        workers="0",
        args=("--url=http://{host}:{port}", "--as={ENV:WHO}", "--json={{}}"),
        paths=("{service}/spec", "{root}/more"),
        environment={"WHO": "me"},
        leases=(PROCESS,),
    )
    assert suites.command(suite)[6:] == [
        "--url=http://127.0.0.1:8001",
        "--as=me",
        "--json={}",
        f"{tmp_path}/cs1/spec",
        f"{tmp_path}/more",
    ]


def test_the_last_process_is_the_services_own(make_suite: MakeSuite) -> None:
    other = replace(PROCESS, resource="identity/process", address=Address(port=8000))
    assert values(make_suite(leases=(other, PROCESS)))["port"] == "8001"
    assert values(make_suite())["port"] == ""


def test_an_unknown_placeholder_is_an_error_at_its_place(make_suite: MakeSuite) -> None:
    with pytest.raises(
        ConfigError, match=r"services\.cs1\.types\.unit: unknown placeholder \{prot\}.*\{port\}"
    ):
        suites.command(make_suite(args=("{prot}",)))


def test_another_runner_replaces_pytest_and_still_gets_the_users_words(
    make_suite: MakeSuite, tmp_path: Path
) -> None:
    words = ("{python}", "-m", "unittest", "--out={run_folder}", "--rc={rcfile}", "-n{workers}")
    suite = make_suite("stress", command=words, workers="3", posargs=("-v", "{x}"), rcfile=Path("/rc"))
    assert suites.command(suite) == [
        "/env/bin/python",
        "-m",
        "unittest",
        f"--out={tmp_path}/run",
        "--rc=/rc",
        "-n3",
        "-v",
        "{x}",
    ]


# --- tools ----------------------------------------------------------------------------------


def test_a_services_tools_are_those_of_its_enabled_types_once_each(make_suite: MakeSuite) -> None:
    off, on = SuiteSettings(enabled=False), SuiteSettings()
    types = {**dict.fromkeys(TEST_TYPES, off), "unit": on, "integration": on}
    found = suites.tools(replace(make_suite().service, types=types))
    assert found == (*PYTEST, "pytest-randomly>=3.15", "pytest-xdist>=3.5", "pytest-recording>=0.13")
    assert suites.tools(replace(make_suite().service, types=dict.fromkeys(TEST_TYPES, off))) == ()


def test_a_type_with_nothing_to_watch_runs_unwatched(make_suite: MakeSuite) -> None:
    with suites.around(make_suite("e2e"), dict):
        pass
    assert not (make_suite().run_folder / "load.json").exists()
