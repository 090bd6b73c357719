"""The coverage report over hand-made data of two services whose files have the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from coverage import CoverageData

from noxlib.model import TEST_TYPES, Platform, Service, SuiteSettings
from noxlib.model import Coverage as Settings
from noxlib.report import Report, ReportOrder, RunData, coverage_report

API = "".join(f"line_{number} = {number}\n" for number in range(1, 11))


class Repository:
    """Services with one file each, and runs that left data."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.services: dict[str, Service] = {}
        self.runs: list[RunData] = []
        self.folder = root / ".noxlib" / "report" / "coverage"

    def service(self, name: str, gate: float = 0.0, path: str | None = None, **given: Any) -> None:
        path = f"services/{name}" if path is None else path
        source = self.root / path / "src" / "app"
        source.mkdir(parents=True)
        (source / "api.py").write_text(API, encoding="utf-8")
        settings = given.pop("coverage", Settings(fail_under=gate, branch=False))
        self.services[name] = Service(
            name=name,
            path=path,
            source=given.pop("source", ("src/app",)),
            coverage=settings,
            types=dict.fromkeys(TEST_TYPES, SuiteSettings()),
        )

    def ran(self, kind: str, name: str, lines: Iterable[int] | None, **given: Any) -> Path:
        """Add a run that ran these lines of the service's file; None leaves no data."""
        folder = self.root / ".noxlib" / "runs" / f"{kind}-{name}"
        (folder / "coverage").mkdir(parents=True)
        source = given.pop("at", str(self.root / self.services[name].path / "src" / "app"))
        if lines is not None:
            data = CoverageData(basename=str(folder / "coverage" / ".coverage"))
            data.add_lines({f"{source}/api.py": list(lines)})
            data.touch_file(f"{source}/api.py")
            data.write()
            data.close()
        run = {
            "session": f"{kind}-{name}",
            "service": name,
            "type": kind,
            "folder": folder,
            "stale": "",
            **given,
        }
        self.runs.append(RunData(**run))
        return folder / "coverage"

    def report(self) -> Report:
        return coverage_report(
            ReportOrder(
                platform=Platform(name="acme", services=self.services),
                root=self.root,
                folder=self.folder,
                services=tuple(self.services),
                runs=tuple(self.runs),
            )
        )

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "coverage.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def two(repository: Repository) -> Repository:
    """Return two services whose files have the same relative path and were run differently."""
    repository.service("cs1", gate=90)
    repository.service("cs2")
    repository.ran("unit", "cs1", range(1, 7))
    repository.ran("integration", "cs1", range(4, 10))
    repository.ran("unit", "cs2", [1])
    return repository


def test_the_types_of_a_service_count_together_and_services_stay_apart(two: Repository) -> None:
    report = two.report()
    assert report.passed
    assert report.lines == [
        "service   unit  integration  combined  gate  verdict",
        "-------  -----  -----------  --------  ----  -------",
        "cs1      60.00        60.00     90.00    90   passed",
        "cs2      10.00            -     10.00     0   passed",
    ]


def test_all_four_formats_hold_both_files_by_their_path_from_the_root(two: Repository) -> None:
    two.report()
    assert {name: file["summary"]["covered_lines"] for name, file in two.json()["files"].items()} == {
        "services/cs1/src/app/api.py": 9,
        "services/cs2/src/app/api.py": 1,
    }
    assert two.json()["totals"]["percent_covered"] == 50.0
    assert [(row["service"], row["combined"], row["passed"]) for row in two.json()["services"]] == [
        ("cs1", 90.0, True),
        ("cs2", 10.0, True),
    ]
    tree = ET.parse(two.folder / "coverage.xml").getroot()  # noqa: S314  our own
    assert {item.get("filename"): item.get("line-rate") for item in tree.iter("class")} == {
        "services/cs1/src/app/api.py": "0.9",
        "services/cs2/src/app/api.py": "0.1",
    }
    assert [item.get("name") for item in tree.iter("package")] == [
        "services.cs1.src.app",
        "services.cs2.src.app",
    ]
    assert (tree.get("lines-valid"), tree.get("lines-covered"), tree.get("line-rate")) == ("20", "10", "0.5")
    assert [item.text for item in tree.iter("source")] == ["."]
    page = (two.folder / "html" / "index.html").read_text(encoding="utf-8")
    for name in ("cs1", "cs2"):
        assert f'<a href="{name}/index.html">{name}</a>' in page
        assert "api.py" in (two.folder / "html" / name / "index.html").read_text(encoding="utf-8")
    text = (two.folder / "coverage.md").read_text(encoding="utf-8")
    assert "| cs1 | 60.00 | 60.00 | 90.00 | 90 | passed |" in text


def test_no_path_of_this_machine_gets_into_what_others_read(two: Repository) -> None:
    two.report()
    for name in ("coverage.json", "coverage.xml", "coverage.md"):
        assert str(two.root) not in (two.folder / name).read_text(encoding="utf-8")


def test_below_the_gate_the_lines_that_would_close_it_are_named(repository: Repository) -> None:
    repository.service("cs1", gate=90)
    repository.ran("unit", "cs1", [1, 2, 3, 4, 5, 6, 10])
    report = repository.report()
    assert not report.passed
    assert report.lines[2:] == [
        "cs1      70.00     70.00    90   failed",
        "  cs1: 70.00 % is below its gate of 90 %",
        "  these lines would close the gap:",
        "    services/cs1/src/app/api.py:7-9 (3 lines, +30.0 %)",
    ]
    assert "- cs1: 70.00 % is below its gate of 90 %" in (repository.folder / "coverage.md").read_text()
    assert "<li>cs1: 70.00 %" in (repository.folder / "html" / "index.html").read_text()


def test_almost_the_gate_is_not_the_gate(repository: Repository) -> None:
    repository.service("cs1", gate=90.01)
    repository.ran("unit", "cs1", range(1, 10))
    assert "  cs1: 90.00 % is below its gate of 90.01 %" in repository.report().lines


def test_data_of_another_checkout_is_mapped_into_this_one(repository: Repository) -> None:
    repository.service("cs1", gate=100)
    repository.ran("unit", "cs1", range(1, 6), at="/ci/build/services/cs1/src/app")
    repository.ran("e2e", "cs1", range(6, 11), at="/venv/lib/python3.12/site-packages/app")
    assert repository.report().passed


def test_the_repository_itself_can_be_a_service_beside_those_below_it(repository: Repository) -> None:
    repository.service("tool", gate=50, path=".")
    repository.service("cs1", gate=10)
    repository.ran("unit", "tool", range(1, 6), at="/elsewhere/checkout/src/app")
    repository.ran("unit", "cs1", [1], at="/elsewhere/checkout/services/cs1/src/app")
    report = repository.report()
    assert report.passed, report.lines
    assert set(repository.json()["files"]) == {"src/app/api.py", "services/cs1/src/app/api.py"}


def test_a_service_named_like_a_part_of_the_report_is_no_trouble(repository: Repository) -> None:
    repository.service("html")
    repository.ran("unit", "html", [1])
    assert repository.report().passed
    assert (repository.folder / "html" / "html" / "index.html").is_file()


# --- what is missing ------------------------------------------------------------------------


def test_a_session_that_never_ran_fails_with_the_command(repository: Repository) -> None:
    repository.service("cs1")
    repository.ran("unit", "cs1", [1])
    repository.ran("e2e", "cs1", None, folder=None)
    report = repository.report()
    assert not report.passed
    assert report.lines[-1] == "  e2e-cs1: never ran as a whole in this checkout: run `nox -s e2e-cs1`"


def test_a_stale_run_fails_with_the_command(repository: Repository) -> None:
    repository.service("cs1")
    repository.ran("unit", "cs1", [1], stale="its inputs have changed since it ran")
    assert repository.report().lines[-1] == (
        "  unit-cs1: its inputs have changed since it ran: run `nox -s unit-cs1`"
    )


def test_a_run_without_data_fails_with_the_command(repository: Repository) -> None:
    repository.service("cs1")
    repository.ran("unit", "cs1", [1])
    repository.ran("e2e", "cs1", None)
    report = repository.report()
    assert not report.passed
    assert report.lines[-1] == "  e2e-cs1: its run left no coverage data: run `nox -s e2e-cs1`"


def test_no_data_at_all_is_said(repository: Repository) -> None:
    repository.service("cs1")
    repository.ran("unit", "cs1", None, folder=None)
    report = repository.report()
    assert not report.passed
    assert report.lines[-1] == "  cs1: no coverage data at all"
    assert repository.json()["files"] == {}
    assert "<a" not in (repository.folder / "html" / "index.html").read_text()


@pytest.mark.parametrize(
    ("gate", "source", "passed"), [(90, ("src/app",), False), (0, ("src/app",), True), (90, (), True)]
)
def test_a_gate_without_a_measured_type_fails(
    repository: Repository, gate: float, source: tuple[str, ...], passed: bool
) -> None:
    repository.service("cs1", gate=gate, source=source)
    report = repository.report()
    assert report.passed == passed
    assert passed or report.lines[-1] == "  cs1: has a gate of 90 %, but no measured type is enabled"


def test_a_broken_data_file_is_named_with_its_session(repository: Repository) -> None:
    repository.service("cs1")
    repository.ran("unit", "cs1", [1])
    (repository.ran("e2e", "cs1", [2]) / ".coverage.broken").write_bytes(b"no database")
    report = repository.report()
    assert not report.passed
    assert "e2e-cs1: .coverage.broken: can't be read" in report.lines[-1]
    assert report.lines[-1].endswith("run `nox -s e2e-cs1`")


def test_a_source_that_cannot_be_judged_is_named(repository: Repository) -> None:
    repository.service("cs1")
    repository.ran("unit", "cs1", [1])
    (repository.root / "services/cs1/src/app/api.py").write_text("def (:\n", encoding="utf-8")
    report = repository.report()
    assert not report.passed
    assert "unit-cs1: Couldn't parse" in "\n".join(report.lines)


# --- several --------------------------------------------------------------------------------


def test_sessions_of_several_pythons_are_one_type(repository: Repository) -> None:
    repository.service("cs1", gate=100)
    repository.ran("unit", "cs1", range(1, 6), session="unit-cs1-3.11")
    first = repository.runs[0]
    (repository.root / ".noxlib/runs/unit-cs1").rename(repository.root / ".noxlib/runs/unit-cs1-3.11")
    repository.runs[0] = RunData(
        session=first.session,
        service="cs1",
        type="unit",
        folder=repository.root / ".noxlib/runs/unit-cs1-3.11",
        stale="",
    )
    repository.ran("unit", "cs1", range(6, 11), session="unit-cs1-3.12")
    assert repository.report().lines[2] == "cs1      100.00    100.00   100   passed"


def test_each_service_keeps_its_own_exclusions_and_branches(repository: Repository) -> None:
    repository.service("cs1", coverage=Settings(branch=False, exclude_also=("line_10",)))
    repository.service("cs2", coverage=Settings(branch=True))
    repository.ran("unit", "cs1", range(1, 10))
    folder = repository.ran("unit", "cs2", None)
    data = CoverageData(basename=str(folder / ".coverage"))
    data.add_arcs({str(repository.root / "services/cs2/src/app/api.py"): [(-1, 1), (1, 2)]})
    data.write()
    data.close()
    assert [line.split()[1] for line in repository.report().lines[2:]] == ["100.00", "20.00"]


def test_a_second_report_replaces_the_first_as_a_whole(two: Repository) -> None:
    two.report()
    (two.folder / "old.txt").write_text("left from before", encoding="utf-8")
    two.report()
    assert sorted(each.name for each in two.folder.iterdir()) == [
        "coverage.json",
        "coverage.md",
        "coverage.xml",
        "html",
    ]
    assert sorted(each.name for each in two.folder.parent.iterdir()) == ["coverage", "coverage.lock"]


def test_a_report_that_fails_leaves_the_last_one(two: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    two.report()
    before = (two.folder / "coverage.md").read_text(encoding="utf-8")
    monkeypatch.setattr("noxlib.report.writers.markdown", lambda _rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        two.report()
    assert (two.folder / "coverage.md").read_text(encoding="utf-8") == before
    assert sorted(each.name for each in two.folder.parent.iterdir()) == ["coverage", "coverage.lock"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that stands in another folder from then on."""

    def go() -> None:
        (tmp_path / "else" / "where").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "else" / "where")

    return go


def test_paths_do_not_depend_on_where_we_stand(two: Repository, elsewhere: Callable[[], None]) -> None:
    elsewhere()
    two.report()
    assert set(two.json()["files"]) == {"services/cs1/src/app/api.py", "services/cs2/src/app/api.py"}
