"""What must hold between the keys of services.toml, once each of them has its shape."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from noxlib import templates
from noxlib.config.problems import Problems, choices
from noxlib.model import Platform, Postgres, Process, Service, SuiteSettings

Table = dict[str, Any]
Note = Callable[[Iterable[str | int], str], None]

SUPERUSER = "postgres"
TAKEN = ("template0", "template1", "noxlib_template")
_WAYS = ("http", "tcp", "log", "command")


def check(document: Table, platform: Platform, problems: Problems) -> None:
    """Note everything that contradicts something else.

    `document` is what the user wrote: a service that was left out of the platform for its own
    faults is no unknown service.
    """
    if not platform.services:
        return
    _check_session_names(platform, problems.add)
    _check_dependencies(document, platform, problems.add)
    _check_scenarios(document, platform, problems.add)
    for service in platform.services.values():
        written = document["services"][service.name]
        _check_pythons(document, service, problems.add)
        _check_resources(service, problems.add)
        _check_types(document, service, problems.add)
        if service.process:
            _check_process(service.name, service.process, written, problems.add)


def _check_session_names(platform: Platform, note: Note) -> None:
    """Two names that nox takes for one: its -s compares names as Python expressions (1_0 is 10)."""
    seen: dict[str, str] = {}
    for name in platform.services:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1or" warns before it fails
            try:
                key = ast.dump(ast.parse(f"unit-{name}"))
            except SyntaxError:
                key = name
        first = seen.setdefault(key, name)
        if first != name:
            note(
                ["services", name],
                f'nox can\'t tell its sessions from those of "{first}". Rename one of them',
            )


def _check_dependencies(document: Table, platform: Platform, note: Note) -> None:
    known = document["services"]
    graph: dict[str, list[str]] = {}
    for service in platform.services.values():
        graph[service.name] = []
        others = [name for name in known if name != service.name]
        for index, name in enumerate(service.depends_on):
            path: list[str | int] = ["services", service.name, "depends_on", index]
            if name == service.name:
                note(path, "a service can't depend on itself")
            elif name in service.depends_on[:index]:
                note(path, f'"{name}" is named twice')
            elif name not in known:
                note(
                    path,
                    f'unknown service "{name}". {choices(name, others)}',
                )
            else:
                graph[service.name].append(name)
                if isinstance(known[name], dict) and "process" not in known[name]:
                    note(
                        path,
                        f'"{name}" has no process to start. Add [services.{name}.process] with a command',
                    )
    while cycle := _cycle(graph):
        note(["services", cycle[0], "depends_on"], f"is a cycle: {' -> '.join(cycle)}. Take one of them out")
        graph[cycle[0]].remove(cycle[1])


def _cycle(graph: dict[str, list[str]]) -> list[str]:
    """Return a cycle, each service followed by one that it depends on, from the first one on."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring = list(reversed(error.args[1]))[1:]
        order = list(graph)
        start = ring.index(min(ring, key=order.index))
        return [*ring[start:], *ring[:start], ring[start]]
    return []


def _check_scenarios(document: Table, platform: Platform, note: Note) -> None:
    known = document["services"]
    for scenario, table in platform.scenarios.items():
        for index, name in enumerate(table.get("services", ())):
            if name not in known:
                path: list[str | int] = ["scenarios", scenario, "services", index]
                note(path, f'unknown service "{name}". {choices(name, known)}')


def _check_pythons(document: Table, service: Service, note: Note) -> None:
    path = place(document, service.name, "pythons")
    for version in sorted({version for version in service.pythons if service.pythons.count(version) > 1}):
        note(path, f'"{version}" is named twice')


def _check_resources(service: Service, note: Note) -> None:
    path: list[str | int] = ["services", service.name]
    for server in service.postgres:
        _check_server([*path, *server.name.split(".")], server, note)
    if service.redis:
        _check_templates([*path, "redis", "env"], service.redis.env, templates.REDIS, note)
    ports: dict[int, str] = {}
    fixed = [(server.name, server.port) for server in service.postgres]
    fixed += [(kind, part.port) for kind in ("redis", "process") if (part := getattr(service, kind))]
    for name, port in fixed:
        if port and ports.setdefault(port, name) != name:
            note([*path, *name.split("."), "port"], f"{port} is the port of {ports[port]} too")


def _check_server(path: list[str | int], server: Postgres, note: Note) -> None:
    _check_templates([*path, "env"], server.env, templates.POSTGRES, note)
    if server.isolation == "reset" and server.role == SUPERUSER:
        note(
            [*path, "isolation"],
            f'"reset" needs a role without superuser rights, and {server.role} is one. Add role = "app"',
        )
    if server.role.startswith("pg_"):
        note([*path, "role"], "PostgreSQL keeps names that begin with pg_ for itself. Give another")
    if server.database in TAKEN:
        note([*path, "database"], f'each server has a database "{server.database}" already. Name another')


def _check_process(name: str, process: Process, written: Table, note: Note) -> None:
    path = ["services", name, "process"]
    _check_templates([*path, "env"], process.env, templates.PROCESS, note)
    _check_templates([*path, "command"], process.command, templates.COMMAND, note)
    _check_templates([*path, "ready", "command"], process.ready.command, templates.COMMAND, note)
    ready = written.get("process", {}).get("ready", {})
    if not isinstance(ready, dict):
        return
    ways = [way for way in _WAYS if ready.get(way)]
    if len(ways) > 1:
        note([*path, "ready"], f"gives {' and '.join(ways)}. Give exactly one of {', '.join(_WAYS)}")
    elif not ways and ready.get("tcp") is False:
        note([*path, "ready"], f"tcp = false leaves nothing to wait for. Give one of {', '.join(_WAYS)}")


def _check_types(document: Table, service: Service, note: Note) -> None:
    if not any(suite.enabled for suite in service.types.values()):
        note(
            ["services", service.name, "types"], "no test type is enabled. Enable one, or remove the service"
        )
    for kind, suite in service.types.items():
        _check_suite(document, service, kind, suite, note)


def _check_suite(document: Table, service: Service, kind: str, suite: SuiteSettings, note: Note) -> None:
    for key in ("args", "command"):
        path = place(document, service.name, "types", kind, key)
        _check_templates(path, getattr(suite, key), templates.COMMAND, note)
    written = document["services"][service.name]
    for index, resource in enumerate(suite.needs or ()):
        if resource not in written:
            path = [*place(document, service.name, "types", kind, "needs"), index]
            note(path, f'"{service.name}" has no {resource}. Add [services.{service.name}.{resource}]')
    for pattern, ceilings in suite.thresholds.items() if kind == "performance" else ():
        path = place(document, service.name, "types", kind, "thresholds", pattern)
        if not ceilings and not _written(document, path):
            note(path, "sets no ceiling. Give one of min, median, mean, max")


def _check_templates(
    path: list[str | int], values: dict[str, str] | tuple[str, ...], legal: tuple[str, ...], note: Note
) -> None:
    items: Iterator[tuple[Any, str]] = iter(values.items() if isinstance(values, dict) else enumerate(values))
    for key, text in items:
        if fault := templates.fault(text, legal):
            note([*path, key], fault)


def place(document: Table, service: str, *keys: str) -> list[str | int]:
    """Return where a merged value was written: the service's own table, or the one below it."""
    own: list[str | int] = ["services", service, *keys]
    shared: list[list[str | int]] = [["defaults", *keys], ["platform", *keys]]
    return next((path for path in (own, *shared) if _written(document, path) is not None), own)


def _written(document: Table, path: list[str | int]) -> Any:
    table: Any = document
    for part in path:
        table = table.get(part) if isinstance(table, dict) else None
    return table
