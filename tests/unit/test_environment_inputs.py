"""Lock files, pyproject.toml and the key: what an environment is built from."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from noxlib.environment import locks, project, wheel
from noxlib.environment.key import environment_key
from noxlib.environment.locks import find_lock
from noxlib.environment.order import Order
from noxlib.environment.python import Interpreter
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install, Service

PYTHON = Interpreter(path="/usr/bin/python3.12", version="3.12.1")
PACKAGE = '[project]\nname = "alpha"\n[build-system]\nrequires = []\n'


def order(folder: Path, install: Install | None = None) -> Order:
    service = Service(name="alpha", path="alpha", source=("src/alpha",), install=install or Install())
    return Order(service=service, folder=folder, python="3.12", store=folder / "store", tools=("pytest>=8",))


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def key(ordered: Order) -> str:
    return environment_key(ordered, PYTHON, find_lock(ordered), "uv")


# --- the lock file ---


@pytest.mark.parametrize(
    ("present", "kind"),
    [
        (("poetry.lock", "uv.lock", "requirements.txt"), "poetry.lock"),
        (("uv.lock", "requirements.txt"), "uv.lock"),
        (("requirements.txt", "requirements.lock"), "requirements"),
        (("requirements-dev.txt",), "requirements"),
    ],
)
def test_the_nearest_kind_of_lock_is_taken(tmp_path: Path, present: tuple[str, ...], kind: str) -> None:
    for name in present:
        (tmp_path / name).touch()
    assert find_lock(order(tmp_path)).kind == kind


def test_no_lock_names_what_was_looked_for_and_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError) as caught:
        find_lock(order(tmp_path))
    text = str(caught.value)
    for word in (
        "service alpha",
        "poetry.lock",
        "uv.lock",
        "requirements.lock",
        "`poetry lock`",
        "uv pip compile",
    ):
        assert word in text


def test_a_tool_looks_only_for_what_it_reads(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").touch()
    with pytest.raises(EnvironmentBuildError, match=r"Looked for requirements\.lock, requirements\.txt"):
        find_lock(order(tmp_path, Install(tool="pip")))


def test_several_possible_locks_are_named_and_none_is_guessed(tmp_path: Path) -> None:
    write(tmp_path, {"requirements-a.txt": "", "requirements/b.txt": ""})
    with pytest.raises(EnvironmentBuildError, match=r"requirements/b\.txt, requirements-a\.txt"):
        find_lock(order(tmp_path))


def test_a_named_lock_is_taken(tmp_path: Path) -> None:
    write(tmp_path, {"deps/all.txt": ""})
    found = find_lock(order(tmp_path, Install(lock="deps/all.txt")))
    assert found == locks.Lock(path=tmp_path / "deps/all.txt", kind="requirements")


def test_a_named_lock_that_is_absent_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"deps\.txt doesn't exist in .alpha.\n.*-o deps\.txt"):
        find_lock(order(tmp_path, Install(lock="deps.txt")))


def test_a_named_lock_that_the_tool_cannot_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"tool = 'pip' doesn't read poetry\.lock"):
        find_lock(order(tmp_path, Install(tool="pip", lock="poetry.lock")))


# --- pyproject.toml ---


def test_a_package_needs_a_build_system_or_a_setup_py(tmp_path: Path) -> None:
    ordered = order(tmp_path)
    assert not project.is_package(ordered, {"project": {"name": "alpha"}})
    assert project.is_package(ordered, {"build-system": {}})
    assert not project.is_package(ordered, {"build-system": {}, "tool": {"poetry": {"package-mode": False}}})
    assert not project.is_package(order(tmp_path, Install(package=False)), {"build-system": {}})
    (tmp_path / "setup.py").touch()
    assert project.is_package(ordered, {})


def test_sources_are_imported_from_the_folder_above_a_package(tmp_path: Path) -> None:
    write(tmp_path, {"src/alpha/__init__.py": "", "one.py": ""})
    service = replace(order(tmp_path).service, source=("src/alpha", "one.py", "plain"))
    assert project.import_folders(replace(order(tmp_path), service=service)) == [
        tmp_path / "src",
        tmp_path,
        tmp_path / "plain",
    ]


def test_broken_toml_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[project\n"})
    with pytest.raises(EnvironmentBuildError, match=r"pyproject\.toml: isn't valid TOML"):
        project.read_pyproject(tmp_path)


def test_the_name_comes_from_either_table() -> None:
    assert project.distribution_name({"tool": {"poetry": {"name": "p"}}}) == "p"
    assert project.distribution_name({}) == ""
    assert project.is_noxlib({"project": {"name": "noxlib"}})


# --- the key ---


@pytest.fixture
def service(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {"pyproject.toml": PACKAGE, "requirements.lock": "-r more.txt\na==1\n", "more.txt": "b==1\n"},
    )
    write(tmp_path, {"src/alpha/code.py": "x = 1\n", "pins.txt": "c==1\n"})
    return tmp_path


def test_the_key_is_the_same_for_the_same_inputs(service: Path) -> None:
    assert key(order(service)) == key(order(service))


@pytest.mark.parametrize("file", ["requirements.lock", "more.txt", "pyproject.toml", "setup.py", "pins.txt"])
def test_the_key_follows_every_file_that_an_installer_reads(service: Path, file: str) -> None:
    ordered = order(service, Install(constraints=("pins.txt",)))
    before = key(ordered)
    write(service, {file: 'a = "changed"\n' if "toml" in file else "z==2\n"})
    assert key(ordered) != before


def test_the_key_follows_settings_tools_and_python(service: Path) -> None:
    base = order(service)
    others = [
        replace(base, tools=("pytest>=9",)),
        replace(base, requirements=("extra",)),
        order(service, Install(extras=("x",))),
    ]
    keys = {key(item) for item in [base, *others]}
    newer = Interpreter(path=PYTHON.path, version="3.12.2")
    keys |= {
        environment_key(base, newer, find_lock(base), "uv"),
        environment_key(base, PYTHON, find_lock(base), "pip"),
    }
    assert len(keys) == len(others) + 3


def test_checkers_settings_and_linked_sources_do_not_rebuild(service: Path) -> None:
    before = key(order(service))
    write(
        service,
        {"pyproject.toml": f"{PACKAGE}[tool.ruff]\nline-length = 90\n", "src/alpha/code.py": "x = 2\n"},
    )
    assert key(order(service)) == before


def test_sources_that_are_built_in_do(service: Path) -> None:
    ordered = order(service, Install(editable=False))
    before = key(ordered)
    write(service, {"src/alpha/code.py": "x = 2\n"})
    assert key(ordered) != before


def test_noxlibs_own_environment_does_not_depend_on_the_plugins_wheel(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise AssertionError

    write(service, {"pyproject.toml": '[project]\nname = "noxlib"\n'})
    monkeypatch.setattr("noxlib.environment.key.content_hash", refuse)
    assert key(order(service))


# --- the plugin's wheel ---


def test_the_wheel_holds_noxlib_and_announces_the_plugin(tmp_path: Path) -> None:
    path = wheel.plugin_wheel(tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        info = next(name for name in names if name.endswith("/entry_points.txt")).split("/")[0]
        assert "noxlib = noxlib.pytest_plugin" in archive.read(f"{info}/entry_points.txt").decode()
        assert "Requires-Dist" not in archive.read(f"{info}/METADATA").decode()
        recorded = {line.split(",")[0] for line in archive.read(f"{info}/RECORD").decode().splitlines()}
    assert recorded == names
    assert {"noxlib/__init__.py", "noxlib/model.py", "noxlib/bootstrap-requirements.txt"} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_wheel_is_written_once_and_its_bytes_are_reproducible(tmp_path: Path) -> None:
    first = wheel.plugin_wheel(tmp_path / "a")
    second = wheel.plugin_wheel(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    written = first.stat().st_mtime_ns
    assert wheel.plugin_wheel(tmp_path / "a").stat().st_mtime_ns == written
