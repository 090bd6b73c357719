"""What sessions will look for beside the folders that every load looks at: known without running one."""

# ruff: noqa: PTH110, PTH112, PTH113  unlike Path's methods they never raise, not for a name too long either
from __future__ import annotations

from collections.abc import Iterator
from os.path import exists, expanduser, isdir, isfile
from pathlib import Path

from noxlib.config.disk import Fault
from noxlib.model import Postgres, Process, Service, SuiteSettings

DEFAULT_LOCUSTFILE = "tests/stress/locustfile.py"


def of_service(service: Service, root: Path) -> Iterator[Fault]:
    """Say what is missing of what a service names, whatever is run of it."""
    for index, name in enumerate(service.install.constraints):
        if not isfile(root / service.path / name):
            path: list[str | int] = ["services", service.name, "install", "constraints", index]
            yield (
                path,
                f'{name}: no such file in "{service.path}". Give files relative to the service\'s folder',
            )


def of_resources(service: Service, root: Path, kinds: frozenset[str]) -> Iterator[Fault]:
    """Say what is missing of what the resources of these kinds name."""
    base: list[str | int] = ["services", service.name]
    folder = root / service.path
    if "postgres" in kinds:
        for server in service.postgres:
            yield from _of_postgres(server, [*base, *server.name.split(".")], folder)
    if "redis" in kinds and service.redis:
        yield from _of_programs(service.redis.bin_dir, [*base, "redis"])
    if "process" in kinds and service.process:
        yield from _of_process(service.process, [*base, "process"], service, folder)


def of_suites(service: Service, root: Path) -> Iterator[Fault]:
    """Say what is missing of what the enabled types name; all types without tests in one line."""
    untested: dict[str, Fault] = {}
    for kind in (kind for kind, suite in service.types.items() if suite.enabled):
        for fault in of_suite(service, root, kind):
            if fault[0][-1] == kind:
                untested[kind] = fault
            else:
                yield fault
    if len(untested) == 1:
        yield from untested.values()
    elif untested:
        text = f'there is no folder tests/<type> in "{service.path}" for {", ".join(untested)}'
        remedy = "Write tests in them, name the tests in `paths`, or set enabled = false"
        yield ["services", service.name, "types"], f"{text}. {remedy}"


def of_suite(service: Service, root: Path, kind: str, *, paths: bool = True) -> Iterator[Fault]:
    """Say what is missing of what a test type names; without `paths` where others stand in for them."""
    suite = service.types[kind]
    base: list[str | int] = ["services", service.name, "types", kind]
    folder = root / service.path / suite.cwd
    if not isdir(folder):
        yield [*base, "cwd"], _no_folder(suite.cwd, service)
    elif suite.command:
        return  # finds its tests itself
    elif suite.locustfile:
        if not isfile(folder / suite.locustfile):
            fault = f"{suite.locustfile}: no such file in {_shown(service, suite)}"
            yield [*base, "locustfile"], f"{fault}. Give the locust file, relative to cwd"
    elif paths and not (kind == "stress" and isfile(folder / DEFAULT_LOCUSTFILE)):
        yield from _of_paths(service, suite, base, folder)


def _of_paths(service: Service, suite: SuiteSettings, base: list[str | int], folder: Path) -> Iterator[Fault]:
    default = f"tests/{base[-1]}"
    if not suite.paths and not exists(folder / default):
        fault = f"there is no folder {default} in {_shown(service, suite)}"
        yield base, f"{fault}. Write a test in it, name the tests in `paths`, or set enabled = false"
    for index, path in enumerate(suite.paths):
        name = path.partition("::")[0]
        if "{" not in path and not exists(folder / name):
            fault = f"{path}: no such file or folder in {_shown(service, suite)}"
            remedy = "Give test files and folders, relative to cwd"
            yield [*base, "paths", index], f"{fault}. {_near(folder, name)}{remedy}"


def _of_postgres(server: Postgres, base: list[str | int], folder: Path) -> Iterator[Fault]:
    yield from _of_programs(server.bin_dir, base)
    for key in ("seed", "migrations"):
        for index, pattern in enumerate(getattr(server, key)):
            if not _matches(folder, pattern):
                fault = f'"{pattern}" matches no file in the service\'s folder'
                yield [*base, key, index], f"{fault}. Mend the pattern, or remove it"
    for variable, name in server.render.items():
        if not isfile(folder / name):
            yield [*base, "render", variable], f"{name}: no such file in the service's folder"


def _of_process(process: Process, base: list[str | int], service: Service, folder: Path) -> Iterator[Fault]:
    if not isdir(folder / process.cwd):
        yield [*base, "cwd"], _no_folder(process.cwd, service)


def _of_programs(bin_dir: str | None, base: list[str | int]) -> Iterator[Fault]:
    if bin_dir and not isdir(expanduser(bin_dir)):  # noqa: PTH111  as above
        fault = f"{bin_dir}: no such folder. Give the folder of the server's programs, or remove the key"
        yield [*base, "bin_dir"], fault


def _matches(folder: Path, pattern: str) -> bool:
    try:
        return any(True for _ in folder.glob(pattern))
    except (NotImplementedError, ValueError, OSError):  # an absolute pattern, or none at all
        return False


def _no_folder(name: str, service: Service) -> str:
    return f'{name}: no such folder in "{service.path}". Give a folder relative to the service\'s'


def _shown(service: Service, suite: SuiteSettings) -> str:
    return f'"{service.path}"' if suite.cwd == "." else f'"{service.path}/{suite.cwd}"'


def _near(folder: Path, name: str) -> str:
    """Name the nearest thing that is there, beside where something else was looked for."""
    from difflib import get_close_matches  # noqa: PLC0415  each start of nox would pay for it

    parent, _, last = name.rstrip("/").rpartition("/")
    beside = [each.name for each in (folder / parent).iterdir()] if isdir(folder / parent) else []
    near = get_close_matches(last, beside, 1)
    return f'Did you mean "{parent}{"/" if parent else ""}{near[0]}"? ' if near else ""
