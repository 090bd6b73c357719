"""What services.toml may say already, and noxlib doesn't do yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from noxlib.model import Platform, Postgres, Service


class Coming(NamedTuple):
    """A key whose behaviour isn't built yet."""

    key: str  # dotted
    what: str
    service: str  # "" for scenarios
    part: str  # postgres | a test type | scenarios


def not_available(platform: Platform) -> list[Coming]:
    """List what is asked for and not built yet; a session that needs it must fail and say so."""
    found = [item for service in platform.services.values() for item in _of_service(service)]
    found += [Coming(f"scenarios.{name}", "scenarios", "", "scenarios") for name in platform.scenarios]
    return found


def _of_service(service: Service) -> Iterator[Coming]:
    base = f"services.{service.name}"
    for server in service.postgres:
        for key, what in _of_postgres(server):
            yield Coming(f"{base}.{server.name}.{key}", what, service.name, "postgres")
    for kind, suite in service.types.items():
        if suite.cache:
            yield Coming(f"{base}.types.{kind}.cache", "cached passes", service.name, kind)


def _of_postgres(server: Postgres) -> Iterator[tuple[str, str]]:
    if server.via == "proxy":
        yield "via", "connections through a proxy"
