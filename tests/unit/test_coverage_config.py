"""The generated configuration: what it always says, and what of a project's own stays in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from noxlib.coverage_config import process_environment, project_settings, write_rcfile
from noxlib.model import Coverage as Settings
from noxlib.model import Install, Service

Written = Callable[..., Coverage]


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever measures these tests may have set a file of his own."""
    monkeypatch.delenv("COVERAGE_FILE", raising=False)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write the configuration of a service whose folder holds `files`, and let coverage.py read it."""

    def write(files: dict[str, str] | None = None, **service: Any) -> Coverage:
        folder = tmp_path / "cs1"
        for name, text in {"src/cs1/__init__.py": "", **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        given = {"name": "cs1", "path": "cs1", "source": ("src/cs1",), **service}
        write_rcfile(tmp_path / "data" / "rcfile", Service(**given), folder, tmp_path / "data")
        return Coverage(config_file=str(tmp_path / "data" / "rcfile"))

    return write


def test_the_session_has_its_own_data_files_and_measures_every_process(
    written: Written, tmp_path: Path
) -> None:
    cov = written()
    assert cov.get_option("run:data_file") == str(tmp_path / "data" / ".coverage")
    assert cov.get_option("run:source") == [str(tmp_path / "cs1" / "src" / "cs1")]
    assert cov.get_option("run:parallel") is True
    assert cov.get_option("run:patch") == ["subprocess"]
    assert cov.get_option("run:sigterm") is True
    assert cov.get_option("run:relative_files") is False
    assert cov.get_option("run:branch") is True
    assert cov.get_option("run:source_pkgs") == []
    assert cov.get_option("run:disable_warnings") == ["no-data-collected"]


def test_branches_can_be_switched_off(written: Written) -> None:
    assert written(coverage=Settings(branch=False)).get_option("run:branch") is False


@pytest.mark.parametrize(
    ("source", "package", "files"),
    [
        ("src/cs1", "cs1", {}),
        ("cs1", "cs1", {"cs1/__init__.py": ""}),
        ("lib/acme/orders", "acme.orders", {"lib/acme/__init__.py": "", "lib/acme/orders/__init__.py": ""}),
        ("src/acme/orders", "acme.orders", {"src/acme/orders/__init__.py": ""}),
    ],
)
def test_what_is_installed_is_measured_by_its_packages_name(
    written: Written, source: str, package: str, files: dict[str, str]
) -> None:
    cov = written(files, source=(source,), install=Install(editable=False))
    assert cov.get_option("run:source_pkgs") == [package]
    patterns: Any = cov.get_option("paths")
    assert f"*/site-packages/{package.replace('.', '/')}" in patterns["source0"]


PYPROJECT = """
[tool.coverage.run]
branch = false
source = ["elsewhere"]
data_file = "mine"
patch = ["_exit"]
omit = ["src/cs1/gen/*", "*/vendored/*", "conftest.py"]
concurrency = ["thread", "greenlet"]
plugins = ["conditional"]
timid = true

[tool.coverage.report]
fail_under = 99
ignore_errors = true
exclude_lines = ["# pragma: no cover", "raise NotImplementedError", "a{1,2}"]
exclude_also = ["; odd", "def __repr__"]
omit = ["src/cs1/old.py"]

[tool.coverage.conditional]
rules = ["a", "b"]
"""
INI = """
[{0}run]
branch = false
source = elsewhere
data_file = mine
patch = _exit
omit = src/cs1/gen/*, */vendored/*
    conftest.py
concurrency = thread, greenlet
plugins = conditional
timid = true

[{0}report]
fail_under = 99
ignore_errors = true
exclude_lines =
    [#] pragma: no cover
    raise NotImplementedError
    a{{1,2}}
exclude_also =
    [;] odd
    def __repr__
omit = src/cs1/old.py

[{0}conditional]
rules = a, b
"""
PLACES = {
    "pyproject.toml": PYPROJECT,
    ".coveragerc.toml": PYPROJECT.replace("tool.coverage.", ""),
    ".coveragerc": INI.format(""),
    "setup.cfg": INI.format("coverage:"),
    "tox.ini": INI.format("coverage:"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_projects_own_settings_stay_but_for_its_gate_source_and_data(
    written: Written, tmp_path: Path, name: str
) -> None:
    cov = written(
        {name: PLACES[name]},
        coverage=Settings(omit=("src/cs1/ui/*",), exclude_also=("if DEBUG:", "x == '$HOME'")),
    )
    folder = tmp_path / "cs1"
    assert cov.get_option("run:omit") == [
        f"{folder}/src/cs1/gen/*",
        "*/vendored/*",
        "conftest.py",
        f"{folder}/src/cs1/ui/*",
    ]
    assert cov.get_option("report:omit") == [f"{folder}/src/cs1/old.py"]
    assert cov.get_option("run:concurrency") == ["thread", "greenlet"]
    assert cov.get_option("run:patch") == ["_exit", "subprocess"]
    assert cov.get_option("run:plugins") == ["conditional"]
    assert str(cov.get_option("conditional:rules")).split() == ["a", "b"]
    assert cov.get_option("run:timid") is True
    assert cov.get_option("report:ignore_errors") is True
    assert cov.get_option("report:exclude_lines") == [
        "[#] pragma: no cover",
        "raise NotImplementedError",
        "a{1,2}",
        "[;] odd",
        "def __repr__",
        "if DEBUG:",
        "x == '$HOME'",
    ]
    assert cov.get_option("report:fail_under") == 0
    assert cov.get_option("run:branch") is True
    assert cov.get_option("run:data_file") == str(tmp_path / "data" / ".coverage")
    assert cov.get_option("run:source") == [str(folder / "src" / "cs1")]


def test_the_first_place_with_settings_wins(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = a\n", encoding="utf-8")
    (tmp_path / "tox.ini").write_text("[coverage:run]\nomit = one\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.coverage.run]\nomit = ['two']\n", encoding="utf-8")
    assert project_settings(tmp_path).run == {"omit": ["one"]}


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml"])
@pytest.mark.parametrize("text", ["[broken", "omit = no section", "[a]\nb = 1\n[a]\nb = 2\n"])
def test_a_broken_file_is_its_own_tools_business(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert project_settings(tmp_path).run == {}


def test_a_regular_expression_of_several_lines_stays_one(written: Written) -> None:
    cov = written({"pyproject.toml": '[tool.coverage.report]\nexclude_also = ["a\\nb"]\n'})
    patterns: Any = cov.get_option("report:exclude_also")
    assert patterns == ["a\\nb"]


def test_characters_that_mean_something_in_patterns_do_no_harm_in_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "odd [x] $HOME {y}"
    (folder / "src").mkdir(parents=True)
    service = Service(name="a", path="a", source=("src", "."), coverage=Settings(omit=("src/gen/*",)))
    write_rcfile(tmp_path / "rcfile", service, folder, tmp_path / "da$HOME")
    cov = Coverage(config_file=str(tmp_path / "rcfile"), data_file=None)
    assert cov.get_option("run:source") == [str(folder / "src"), str(folder)]
    assert cov.get_option("run:data_file") == str(tmp_path / "da$HOME" / ".coverage")
    cov.combine([], keep=True)  # compiles every pattern


def test_a_process_is_measured_by_one_variable() -> None:
    assert process_environment(Path("/a/rcfile")) == {"COVERAGE_PROCESS_START": "/a/rcfile"}
