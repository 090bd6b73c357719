"""The names, tags and descriptions of all sessions, cached beside the validated services.toml.

`nox -l` needs no more than this; a Platform of a hundred services is built only by a session
that runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from noxlib import __version__
from noxlib.errors import RecordError
from noxlib.files import write_whole
from noxlib.state import StateFolder

FORMAT = 3
REPORT = "coverage-report"
REPORT_DESCRIPTION = "every service: the coverage of all its types together, judged by its gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What nox has to know about a session that it lists."""

    name: str
    description: str
    tags: tuple[str, ...]
    exclusive: bool
    standing: bool  # until ^C: `db-cs1`, `up-cs1`


@dataclass(frozen=True, slots=True, kw_only=True)
class Listings:
    """All sessions, longest first as far as history knows."""

    sessions: tuple[Listing, ...]


def read_listing(services: Path) -> Listings:
    """Return the sessions of a services.toml.

    Raises ConfigError with every problem in it. What depends on the file system (does a
    service's folder exist) is checked every time.
    """
    state = StateFolder.find(services.parent)
    cache = state.cache / f"sessions-{_digest(services)}.json"
    try:
        rows, paths = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        rows, paths = _fresh(services, state, cache)
    else:
        if not all((services.parent / each).is_dir() for each in paths):
            from noxlib import config  # noqa: PLC0415  only to say what is missing

            config.load(services, state.cache)
    return Listings(
        sessions=tuple(
            Listing(name=n, description=d, tags=tuple(t), exclusive=e, standing=bool(more))
            for n, d, t, e, *more in rows
        )
    )


def _fresh(services: Path, state: StateFolder, cache: Path) -> tuple[list[list[object]], list[str]]:
    from noxlib import config, plan  # noqa: PLC0415
    from noxlib.records import State  # noqa: PLC0415

    platform = config.load(services, state.cache)
    planned = plan.longest_first(plan.sessions(platform), State.find(services.parent).durations())
    rows: list[list[object]] = [[p.name, p.description, list(p.tags), p.exclusive] for p in planned]
    rows.append([REPORT, REPORT_DESCRIPTION, [plan.ALL_TYPES], True])
    rows += [[p.name, p.description, [], p.exclusive, True] for p in plan.standing(platform)]
    paths = [each.path for each in platform.services.values()]
    try:
        for old in sorted(state.cache.glob("sessions-*.json"), key=lambda each: each.stat().st_mtime)[:-2]:
            old.unlink(missing_ok=True)
        write_whole(cache, json.dumps([rows, paths]))
    except RecordError:
        # A read-only checkout can still be listed.
        pass
    return rows, paths


def _digest(services: Path) -> str:
    try:
        text = services.read_bytes()
    except OSError:
        return "unreadable"
    return hashlib.sha256(f"{FORMAT} {__version__} ".encode() + text).hexdigest()[:16]
