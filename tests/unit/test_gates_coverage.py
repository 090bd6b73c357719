"""The coverage gate on data files made by hand: what it says of them, and what it never lets pass."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData
from sample_records import session_plan

from noxlib.coverage_config import write_rcfile
from noxlib.coverage_data import combined, data_files
from noxlib.gates import Case, coverage, judge, measured_percent
from noxlib.model import TEST_TYPES, Evidence, Service, SuiteSettings
from noxlib.model import Coverage as Settings

API = """\
def pay(amount):
    if amount > 0:
        fee = amount / 100
        return amount + fee
    log = "refused"
    print(log)
    return 0


LIMIT = 5
"""
LINES = 8  # statements of API

MakeCase = Callable[..., Case]
Record = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a service with one source file."""
    path = tmp_path / "services" / "cs1"
    (path / "src" / "cs1").mkdir(parents=True)
    (path / "src" / "cs1" / "api.py").write_text(API, encoding="utf-8")
    return path


@pytest.fixture
def case(tmp_path: Path, folder: Path) -> MakeCase:
    def make(kind: str = "unit", fail_under: float | None = None, **given: Any) -> Case:
        settings = SuiteSettings(fail_under=fail_under)
        service = Service(
            name="cs1",
            path="services/cs1",
            source=given.pop("source", ("src/cs1",)),
            coverage=given.pop("coverage", Settings(branch=False)),
            types=dict.fromkeys(TEST_TYPES, settings),
        )
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        ends = [{"test": "a::b", "outcome": given.pop("ended", "passed"), "seconds": 0.1}]
        (run / "outcomes.json").write_text(json.dumps(ends), encoding="utf-8")
        write_rcfile(run / "coverage" / "rcfile", service, folder, run / "coverage")
        defaults: dict[str, Any] = {
            "plan": session_plan(f"{kind}-cs1"),
            "service": service,
            "settings": settings,
            "folder": run,
            "service_folder": folder,
            "evidence": Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1),
            "today": dt.date(2026, 11, 21),
        }
        return Case(**{**defaults, **given})

    return make


@pytest.fixture
def recorded(tmp_path: Path, folder: Path) -> Record:
    """Write a data file of the run: these lines of api.py, at this path, were run."""

    def write(lines: Iterable[int], name: str = ".coverage", path: Path | None = None) -> Path:
        target = tmp_path / "run" / "coverage" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        data = CoverageData(basename=str(target))
        measured = str(path or folder / "src" / "cs1" / "api.py")
        data.add_lines({measured: list(lines)})
        data.touch_file(measured)
        data.write()
        data.close()
        return target

    return write


# --- the number -----------------------------------------------------------------------------


def test_a_share_at_the_gate_passes_and_one_below_names_the_lines(case: MakeCase, recorded: Record) -> None:
    recorded([1, 2, 3, 4, 10])
    assert coverage.judge(case(fail_under=62.5)).passed
    found = coverage.judge(case(fail_under=62.6))
    assert not found.passed
    assert found.summary == "62.50 %, the gate is 62.6 %"
    assert found.details == ("these lines would close the gap:", "  src/cs1/api.py:5-7 (3 lines, +37.5 %)")


def test_a_share_is_told_where_there_is_no_gate(case: MakeCase, recorded: Record) -> None:
    recorded([1, 10])
    found = coverage.judge(case())
    assert (found.passed, found.summary) == (True, "25.00 % (no gate for this type)")
    assert measured_percent(case()) == 25.0


def test_the_data_of_all_processes_counts_together(case: MakeCase, recorded: Record) -> None:
    recorded([1, 2, 3, 4])
    recorded([1, 5, 6, 7, 10], ".coverage.host.pid7.Xabc")
    assert measured_percent(case()) == 100.0


def test_new_data_is_seen_in_the_same_process(case: MakeCase, recorded: Record) -> None:
    recorded([1, 2, 3, 4])
    assert measured_percent(case()) == 50.0
    recorded([1, 5, 6, 7, 10], ".coverage.2")
    assert measured_percent(case()) == 100.0


def test_exclusions_of_services_toml_hold(case: MakeCase, recorded: Record) -> None:
    recorded([1, 2, 3, 4, 10])
    assert (
        measured_percent(case(coverage=Settings(branch=False, exclude_also=('log = "refused"',)))) == 500 / 7
    )


def test_the_files_stay_as_evidence(case: MakeCase, recorded: Record) -> None:
    paths = [recorded([1]), recorded([2], ".coverage.2")]
    coverage.judge(case())
    assert all(path.is_file() for path in paths)


# --- where the data came from ---------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "/ci/work/services/cs1/src/cs1/api.py",
        "/app/src/cs1/api.py",
        "/venv/lib/python3.12/site-packages/cs1/api.py",
    ],
)
def test_paths_of_other_places_are_mapped_to_this_checkout(
    case: MakeCase, recorded: Record, place: str
) -> None:
    recorded([1, 2, 3, 4, 10], path=Path(place))
    recorded([1, 5, 6, 7], ".coverage.2")
    assert measured_percent(case()) == 100.0


# --- nothing, or nothing usable -------------------------------------------------------------


def test_no_data_fails(case: MakeCase) -> None:
    found = coverage.judge(case())
    assert not found.passed
    assert found.summary == "coverage data missing: no process that runs src/cs1 left any"
    assert "services.cs1.source" in found.details[0]
    assert measured_percent(case()) is None


def test_data_without_a_line_that_ran_fails(case: MakeCase, recorded: Record) -> None:
    recorded([])
    found = coverage.judge(case())
    assert not found.passed
    assert found.summary == "coverage data missing: not one line of src/cs1 was run"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"no database at all", "can't be read"),
        (b"SQLite format 3\x00cut", "can't be read"),
    ],
)
def test_a_broken_file_is_named_though_the_others_are_whole(
    case: MakeCase, recorded: Record, content: bytes, said: str
) -> None:
    path = recorded([1, 2, 3, 4, 5, 6, 7, 10]).with_name(".coverage.broken")
    path.write_bytes(content)
    found = coverage.judge(case())
    assert not found.passed
    assert f".coverage.broken: {said}" in found.summary


def test_data_of_a_version_to_come_is_named(case: MakeCase, recorded: Record) -> None:
    with contextlib.closing(sqlite3.connect(recorded([1]))) as database:
        database.execute("UPDATE coverage_schema SET version = 999")
        database.commit()
    assert ".coverage: can't be read: Couldn't use data file" in coverage.judge(case()).summary


def test_lines_and_branches_do_not_mix(case: MakeCase, recorded: Record, folder: Path) -> None:
    other = recorded([1]).with_name(".coverage.2")
    data = CoverageData(basename=str(other))
    data.add_arcs({str(folder / "src" / "cs1" / "api.py"): [(1, 2)]})
    data.write()
    data.close()
    found = coverage.judge(case())
    assert not found.passed
    assert ".coverage.2: can't be read: Can't combine" in found.summary


def test_what_sqlite_leaves_beside_a_file_is_no_data(recorded: Record) -> None:
    path = recorded([1])
    path.with_name(".coverage-journal").write_bytes(b"x")
    assert data_files(path.parent) == [path]


def test_a_source_file_that_cannot_be_judged_fails(case: MakeCase, recorded: Record, folder: Path) -> None:
    recorded([1, 2])
    (folder / "src" / "cs1" / "api.py").write_text("def (:\n", encoding="utf-8")
    found = coverage.judge(case())
    assert not found.passed
    assert "api.py" in found.summary
    assert "nox with the service's Python" in found.summary


def test_a_source_file_that_is_gone_fails(case: MakeCase, recorded: Record, folder: Path) -> None:
    recorded([1, 2])
    (folder / "src" / "cs1" / "api.py").unlink()
    assert "No source for code" in coverage.judge(case()).summary


def test_a_plugin_of_the_service_that_is_not_here_leaves_its_files_out(
    case: MakeCase, recorded: Record, folder: Path
) -> None:
    path = recorded([1, 2])
    page = folder / "src" / "cs1" / "page.html"
    page.write_text("{% if a %}", encoding="utf-8")
    other = CoverageData(basename=str(path.with_name(".coverage.2")))
    other.add_lines({str(page): [1]})
    other.add_file_tracers({str(page): "no_such_plugin.Tracer"})
    other.write()
    other.close()
    (folder / ".coveragerc").write_text("[run]\nplugins =\n  no_such_plugin\n  no.such\n", encoding="utf-8")
    assert measured_percent(case()) == 25.0


# --- what is judged -------------------------------------------------------------------------


@pytest.mark.parametrize("posargs", [("-k", "pay"), ("--no-cov",)])
def test_arguments_of_the_user_are_never_held_against_the_share(
    case: MakeCase, recorded: Record, posargs: tuple[str, ...]
) -> None:
    assert coverage.judge(case(posargs=posargs)).summary.startswith("no data; not judged")
    recorded([1, 10])
    found = coverage.judge(case(fail_under=90, posargs=posargs))
    assert found.passed
    assert found.summary == "25.00 %; not judged"
    assert found.details == ("its gate wasn't judged: arguments behind `--` may have narrowed the run",)


@pytest.mark.parametrize("kind", ["unit", "property", "integration", "e2e"])
def test_measured_types_are_judged(case: MakeCase, kind: str) -> None:
    assert coverage.applies(case(kind))
    assert not coverage.applies(case(kind, source=()))


@pytest.mark.parametrize("kind", ["race", "chaos"])
def test_other_types_are_judged_when_they_left_data_or_have_a_gate(
    case: MakeCase, recorded: Record, kind: str
) -> None:
    assert not coverage.applies(case(kind))
    assert coverage.applies(case(kind, fail_under=10))
    recorded([1])
    assert coverage.applies(case(kind))


@pytest.mark.parametrize("kind", ["stress", "performance"])
def test_what_measures_time_is_never_judged(case: MakeCase, recorded: Record, kind: str) -> None:
    recorded([1])
    assert not coverage.applies(case(kind, fail_under=10))
    assert measured_percent(case(kind)) is None


@pytest.mark.parametrize(("error", "interrupted"), [("x", ""), ("", "timeout")])
def test_a_run_that_was_cut_short_is_not_judged(
    case: MakeCase, recorded: Record, error: str, interrupted: str
) -> None:
    recorded([1])
    evidence = Evidence(
        suite_exit=None, suite_seconds=0, ready_seconds=0, error=error, interrupted=interrupted
    )
    given = case(evidence=evidence)
    assert measured_percent(given) is None
    assert [each.gate for each in judge(given).findings if each.gate == "coverage"] == []


def test_missing_data_is_a_consequence_where_tests_failed(case: MakeCase) -> None:
    assert coverage.judge(case(ended="failed")).passed
    assert not coverage.judge(case()).passed


def test_statements_are_counted_as_the_tests_expect(case: MakeCase, recorded: Record) -> None:
    path = recorded([1])
    case()
    with combined(path.with_name("rcfile"), [path]) as measured:
        assert measured.details()["totals"]["num_statements"] == LINES
