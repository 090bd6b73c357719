"""services.toml -> Platform: read, validate, keep the result. The only home of pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noxlib.config import disk, store
from noxlib.config.coming import Coming, not_available
from noxlib.model import Platform

__all__ = ["Coming", "load", "not_available", "schema"]


def load(path: Path, cache: Path | None = None) -> Platform:
    """Read and validate services.toml.

    The validated platform is kept as JSON in the folder `cache`, where one is given, and read
    from there until services.toml or noxlib changes. What depends on the file system is looked at
    every time: folders must exist, and a service without `source` gets src/<name>, <name>, src or
    its whole folder, the first that exists.

    Raises ConfigError, which holds every problem at once, one line each: `file:line: key: fault`.
    """
    from noxlib.config import problems, reading  # noqa: PLC0415

    data = reading.read(path)
    kept = store.file_for(cache, data) if cache else None
    platform = store.fetch(kept) if kept else None
    source = reading.decode(data, reading.shown(path))
    found = problems.Problems(source=source)
    if platform is None:
        platform = _validated(found, path.parent)
        if kept:
            store.keep(kept, platform)
    settled = disk.settle(platform, path.parent, found.add)
    found.end()
    return settled


def schema() -> dict[str, Any]:
    """Return the JSON Schema of services.toml, for editors."""
    from noxlib.config.editors import document_schema  # noqa: PLC0415  imports pydantic

    return document_schema()


def _validated(found: Any, root: Path) -> Platform:
    from noxlib.config import building, faults, reading, rules  # noqa: PLC0415  imports pydantic

    document = reading.parse(found.source)
    platform = building.build(faults.checked(document, found))
    rules.check(document, platform, found)
    if found.found:
        disk.settle(platform, root, found.add)
    found.end()
    return platform
