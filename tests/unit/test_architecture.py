"""The house's rules, held against the code: layers, homes of foreign APIs, sizes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "noxlib"
LAYERS: dict[str, int] = {
    **dict.fromkeys(("", "errors", "model", "protocol", "redaction", "resp", "templates", "dsn"), 0),
    **dict.fromkeys(("files", "launch", "plan", "inputs", "records", "config", "coverage_config"), 1),
    **dict.fromkeys(("coverage_data", "coverage_lines", "machine_lock", "state", "variables"), 1),
    **dict.fromkeys(("box", "session_environment", "migration_key", "first_services", "verdict", "guide"), 2),
    **dict.fromkeys(("environment", "resources", "suites", "gates", "report"), 3),
    **dict.fromkeys(
        ("supervisor", "suite_run", "run", "listing", "coverage_session", "standing", "standing_run"), 4
    ),
    **dict.fromkeys(("sessions", "__main__", "commands", "testing"), 5),
    "bootstrap": 2,
    "pytest_plugin": 1,
}
ROOMS = ("environment", "resources", "suites", "gates", "report")
HOMES = {
    "nox": ("sessions",),
    "nox_poetry": ("environment.poetry",),
    "testing": ("resources.postgres_server",),
    "pydantic": ("config",),
    "pytest": ("pytest_plugin", "testing"),
    "_pytest": ("pytest_plugin",),
    "locust": (),
    "coverage": ("coverage_data",),
    "subprocess": ("launch",),
}
PLUGIN_MAY = {
    "noxlib",
    *(f"noxlib.{each}" for each in ("errors", "model", "protocol", "pytest_plugin", "resp", "templates")),
}


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(tree: ast.Module) -> set[str]:
    """Return the absolute names of everything that a module imports, lazily or not."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(name: str) -> set[str]:
    """Return the modules of noxlib that a module imports."""
    found = set()
    for each in imports(MODULES[name]):
        words = each.split(".")
        if words[0] == "noxlib":
            rest = ".".join(words[1:])
            found.add(rest if rest in MODULES else ".".join(words[1:-1]))
    return found - {name}


def room(name: str) -> str:
    return name.partition(".")[0]


def test_every_module_has_a_place_in_a_layer() -> None:
    assert {room(name) for name in MODULES} - LAYERS.keys() == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_imports_from_a_layer_above(name: str) -> None:
    if name in {"", "pytest_plugin"} or room(name) == "pytest_plugin":
        return
    above = {each for each in own(name) if LAYERS[room(each)] > LAYERS[room(name)]}
    assert above == set()


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room(name) in ROOMS))
def test_rooms_do_not_import_one_another(name: str) -> None:
    others = {each for each in own(name) if room(each) in ROOMS and room(each) != room(name)}
    assert others == set()


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room(name) == "pytest_plugin"))
def test_the_plugin_imports_only_what_a_services_environment_has(name: str) -> None:
    found = {each for each in imports(MODULES[name]) if each.startswith("noxlib")}
    strangers = {each for each in found if not any(f"{each}.".startswith(f"{may}.") for may in PLUGIN_MAY)}
    assert strangers == set()


@pytest.mark.parametrize("foreign", sorted(HOMES))
def test_a_foreign_api_has_one_home(foreign: str) -> None:
    strangers = [
        name
        for name, tree in MODULES.items()
        if any(each.split(".")[0] == foreign for each in imports(tree))
        and not any(name == home or name.startswith(f"{home}.") for home in HOMES[foreign])
    ]
    assert strangers == []


def test_no_imports_form_a_cycle() -> None:
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != 1, f"cycle: {' -> '.join((*path, name))}"
        if name not in state:
            state[name] = 1
            for each in sorted(own(name) - {""}):
                visit(each, (*path, name))
            state[name] = 2

    for name in MODULES:
        if name:
            visit(name, ())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{name}.{node.name}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert long == []
