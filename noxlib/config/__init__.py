"""services.toml -> Platform: read, validate, keep the result. The only home of pydantic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib import plan
from noxlib.config import disk, file, present, store
from noxlib.config.coming import Coming, not_available
from noxlib.config.lines import located
from noxlib.model import TEST_TYPES, Platform, SessionPlan

if TYPE_CHECKING:
    from noxlib.config.problems import Problems

__all__ = [
    "Coming",
    "inspect",
    "is_legal_name",
    "load",
    "located",
    "not_available",
    "refuse_absent",
    "schema",
]

_RESOURCES = frozenset({"postgres", "redis", "process"})


def load(path: Path, cache: Path | None = None) -> Platform:
    """Read and validate services.toml.

    The validated platform is kept as JSON in the folder `cache`, where one is given, and read
    from there until services.toml or noxlib changes. What depends on the file system is looked at
    every time: folders must exist, and a service without `source` gets src/<name>, <name>, src or
    its whole folder, the first that exists.

    Raises ConfigError, which holds every problem at once, one line each: `file:line: key: fault`.
    """
    data = file.read(path)
    kept = store.file_for(cache, data) if cache else None
    platform = store.fetch(kept) if kept else None
    if platform is None:
        platform = _validated(path, data)
        if kept:
            store.keep(kept, platform)
    faults: list[disk.Fault] = []
    settled = disk.settle(platform, path.parent, faults)
    _refuse(path, data, faults)
    return settled


def inspect(path: Path, more: Callable[[Platform], Iterable[disk.Fault]] = lambda _: ()) -> Platform:
    """Read and validate services.toml, and look for all that its sessions will look for.

    `more` finds further faults of the services whose folders exist. Raises ConfigError as `load`.
    """
    data = file.read(path)
    problems = _problems(path, data)
    platform, settled = _read(path, problems)
    services = {name: each for name, each in platform.services.items() if (path.parent / each.path).is_dir()}
    there = replace(settled, services={name: settled.services[name] for name in services})
    for fault in (*_absent(there, path.parent), *more(there)):
        problems.add(*_placed(fault, problems))
    if problems.found:
        problems.fail()
    return settled


def refuse_absent(path: Path, platform: Platform, session: SessionPlan, *, posargs: bool = False) -> None:
    """Look for what one session will look for; with `posargs` not for its tests, which they may name.

    Raises ConfigError with the lines that `inspect` would have.
    """
    root, service = path.parent, platform.services[session.service]
    faults: list[disk.Fault] = []
    for each in plan.started_services(platform, service, session.type):
        kinds = plan.needs(each, session.type) if each is service else _RESOURCES
        faults += [*present.of_service(each, root), *present.of_resources(each, root, kinds)]
    if session.type in service.types:
        faults += present.of_suite(service, root, session.type, paths=not posargs)
    _refuse(path, file.read(path), faults)


def is_legal_name(name: str) -> bool:
    """Tell whether a service may be called so."""
    from noxlib.config.faults import service_name_fault  # noqa: PLC0415  imports pydantic

    return not service_name_fault(name)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of services.toml, for editors."""
    from noxlib.config.editors import document_schema  # noqa: PLC0415  imports pydantic

    return document_schema()


def _validated(path: Path, data: bytes) -> Platform:
    problems = _problems(path, data)
    platform, _ = _read(path, problems)
    if problems.found:
        problems.fail()
    return platform


def _read(path: Path, problems: Problems) -> tuple[Platform, Platform]:
    """Return the platform as written and as settled; what is wrong is noted, and left out of both."""
    from noxlib.config import building, faults, rules, syntax  # noqa: PLC0415  imports pydantic

    document = syntax.parse(problems.source)
    platform = building.build(faults.checked(document, problems))
    rules.check(document, platform, problems)
    homeless = {name for name in platform.services if "path" not in document["services"][name]}
    kept = {name: each for name, each in platform.services.items() if name not in homeless}
    platform = replace(platform, services=kept)
    missing: list[disk.Fault] = []
    settled = disk.settle(platform, path.parent, missing)
    for fault in missing:
        problems.add(*fault)
    return platform, settled


def _absent(platform: Platform, root: Path) -> Iterator[disk.Fault]:
    for service in platform.services.values():
        yield from present.of_service(service, root)
        yield from present.of_resources(service, root, _RESOURCES)
        yield from present.of_suites(service, root)


def _refuse(path: Path, data: bytes, faults: list[disk.Fault]) -> None:
    if faults:
        problems = _problems(path, data)
        for fault in faults:
            problems.add(*_placed(fault, problems))
        problems.fail()


def _placed(fault: disk.Fault, problems: Problems) -> disk.Fault:
    """Move a fault of an inherited value to where it was written."""
    from noxlib.config import rules, syntax  # noqa: PLC0415  imports pydantic

    (_, service, *keys), text = fault
    names = [key for key in keys if isinstance(key, str)]
    if not names or names[-1] in TEST_TYPES:
        return fault
    rest = keys[len(names) :]  # an index into a list, if anything
    return [*rules.place(syntax.parse(problems.source), str(service), *names), *rest], text


def _problems(path: Path, data: bytes) -> Problems:
    from noxlib.config.problems import Problems  # noqa: PLC0415  only when there are some
    from noxlib.config.syntax import decode  # noqa: PLC0415

    return Problems(source=decode(data, file.shown(path)))
