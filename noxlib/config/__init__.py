"""services.toml -> Platform: read, validate, keep the result. The only home of pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.config import disk, file, store
from noxlib.config.coming import Coming, not_available
from noxlib.model import Platform

if TYPE_CHECKING:
    from noxlib.config.problems import Problems

__all__ = ["Coming", "load", "not_available", "schema"]


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
    if faults:
        problems = _problems(path, data)
        for fault in faults:
            problems.add(*fault)
        problems.fail()
    return settled


def schema() -> dict[str, Any]:
    """Return the JSON Schema of services.toml, for editors."""
    from noxlib.config.editors import document_schema  # noqa: PLC0415  imports pydantic

    return document_schema()


def _validated(path: Path, data: bytes) -> Platform:
    from noxlib.config import building, faults, rules, syntax  # noqa: PLC0415  imports pydantic

    problems = _problems(path, data)
    document = syntax.parse(problems.source)
    platform = building.build(faults.checked(document, problems))
    rules.check(document, platform, problems)
    if problems.found:
        missing: list[disk.Fault] = []
        disk.settle(platform, path.parent, missing)
        for fault in missing:
            problems.add(*fault)
        problems.fail()
    return platform


def _problems(path: Path, data: bytes) -> Problems:
    from noxlib.config.problems import Problems  # noqa: PLC0415  only when there are some
    from noxlib.config.syntax import decode  # noqa: PLC0415

    return Problems(source=decode(data, file.shown(path)))
