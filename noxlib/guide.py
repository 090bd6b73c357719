"""What each service needs of its servers, and how it gets it: services.toml as a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from noxlib import plan
from noxlib.model import Platform, Postgres, Redis, Service

COMMAND = "python -m noxlib guide"
STRATEGY = """\
How a session gets a PostgreSQL server, from the slow to the quick:

1. **Cluster template**, one for each PostgreSQL, locale and set of extensions: made by `initdb`, kept
   as one file in the cache, shared by all sessions and runs.
2. **Migrated template**, one for each state of migrations, seeds and settings: the migrate command
   runs once, whatever the number of sessions, and the result is kept beside it.
3. **Server**: a session unpacks the template to memory (or the temporary folder) and boots it on a
   port of its own; it is thrown away at the session's end.
4. **Fresh databases**: a test that asks for one gets a clone of the migrated database, made ahead.
"""
ISOLATIONS = {
    "clone": "each test that asks gets a clone of its own, dropped afterwards",
    "reset": "a database that provably is as it was made, or was put back, is handed out again; else a clone",
}
Row = tuple[str, str]


def text(platform: Platform) -> str:
    """Return the page, in Markdown: a table for each server of each service."""
    parts = [
        f"# Servers of {platform.name}\n\n<!-- Made by `{COMMAND}`. Change services.toml, not this. -->\n"
    ]
    parts.append(STRATEGY)
    for service in platform.services.values():
        parts += [_section(service, each) for each in service.postgres]
        if service.redis:
            parts.append(_table(f"{service.name}/redis", _redis(service, service.redis)))
    return "\n".join(parts)


def _section(service: Service, settings: Postgres) -> str:
    return _table(f"{service.name}/{settings.name}", _postgres(service, settings))


def _table(name: str, rows: Iterator[Row]) -> str:
    lines = [f"| {key} | {value} |" for key, value in rows if value]
    return "\n".join([f"## {name}\n", "| | |", "|---|---|", *lines, ""])


def _postgres(service: Service, settings: Postgres) -> Iterator[Row]:
    yield "PostgreSQL", _version(settings.version)
    yield "Extensions", _codes(settings.extensions)
    yield "Settings", _codes(f"{key} = {value}" for key, value in settings.settings.items())
    yield "Locale", f"{_code(settings.locale)}, UTF-8"
    yield "Database and role", f"{_code(settings.database)}, owned by {_role(settings.role)}"
    yield "Before migrations", _codes(settings.init_sql)
    yield "Migrated by", _code(" ".join(settings.migrate))
    yield "Seeded by", _codes(settings.seed) or _code(" ".join(settings.seed_command))
    yield "Migrated again when", _inputs(settings)
    yield "Isolation", f"`{settings.isolation}`: {ISOLATIONS[settings.isolation]}"
    yield "Kept", "the databases of failed tests" if settings.keep == "failed" else ""
    yield "Handed over as", _codes((*settings.env, *settings.render)) + _libpq(settings)
    if settings.external:
        allowed = _codes(settings.external.allow)
        yield "Elsewhere", f"the server that {_code(settings.external.variable)} names, if it is on {allowed}"
    yield "Port", str(settings.port or "")
    yield "Sessions", _sessions(service, "postgres")
    yield "To work with", f"`nox -s db-{service.name}`"


def _redis(service: Service, settings: Redis) -> Iterator[Row]:
    yield "Redis or Valkey", _version(settings.version)
    yield "Databases", "16; each xdist worker has one of its own, emptied before each test that asks for it"
    yield "Handed over as", _codes(settings.env)
    yield "Port", str(settings.port or "")
    yield "Sessions", _sessions(service, "redis")


def _version(version: str) -> str:
    return f"{_code(version) if version else 'any'}; the system's where it fits, else a pinned wheel"


def _role(role: str) -> str:
    superuser = role == Postgres().role
    return f"{_code(role)}, {'a superuser' if superuser else 'no superuser: row-level security holds for it'}"


def _inputs(settings: Postgres) -> str:
    if not (settings.migrate or settings.seed or settings.seed_command or settings.init_sql):
        return ""
    files = "any file of the service but its tests and builds, or one that these commands name,"
    return f"{_codes(settings.migrations) or files} changes"


def _libpq(settings: Postgres) -> str:
    if settings.name != Postgres().name:
        return ""
    return f"{' and ' if settings.env or settings.render else ''}libpq's variables (`PGHOST` ...)"


def _sessions(service: Service, resource: str) -> str:
    """Name the types that get the resource; the service's dependants start it beside their own."""
    return _codes(
        f"{kind}-{service.name}"
        for kind, settings in service.types.items()
        if settings.enabled and resource in plan.needs(service, kind)
    )


def _codes(words: Iterable[str]) -> str:
    return ", ".join(_code(word) for word in words)


def _code(word: str) -> str:
    """Return a word in Markdown's code, on one line of a table."""
    shown = " ".join(word.split()).replace("|", "\\|")
    fence = "``" if "`" in shown else "`"
    return f"{fence}{shown}{fence}" if shown else ""
