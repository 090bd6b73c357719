"""`noxlib_redis`: where this test's Redis database is, empty when the test begins."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from noxlib import resp
from noxlib.errors import ResourceError
from noxlib.model import SessionFile


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisDatabase:
    """One database of the service's own server."""

    host: str
    port: int
    database: int
    password: str = field(default="", repr=False)
    socket: str  # the path of its Unix socket

    @property
    def url(self) -> str:
        """The address as a URL: "redis://127.0.0.1:6379/0"."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.host}:{self.port}/{self.database}"

    def flush(self) -> None:
        """Empty this database, and no other. Raises ResourceError when the server doesn't answer."""
        endpoint = resp.Endpoint(
            host=self.host, port=self.port, password=self.password, database=self.database
        )
        try:
            with resp.Connection(endpoint) as connection:
                connection.call("FLUSHDB")
        except OSError as error:
            raise ResourceError(f"redis at {self.host}:{self.port} doesn't answer: {error}") from error


def redis_database(found: SessionFile) -> RedisDatabase:
    """Return the database of the session or its worker; fails the test where the session has no Redis."""
    service = found.plan.service
    lease = next((each for each in found.leases if each.resource == f"{service}/redis"), None)
    if lease is None:
        pytest.fail(
            f"this session has no Redis of {service}\n"
            f"  to fix it: add [services.{service}.redis] to services.toml, or use a test type that has it",
            pytrace=False,
        )
    return RedisDatabase(
        host=lease.address.host,
        port=lease.address.port,
        database=int(lease.values["database"]),
        password=lease.values["password"],
        socket=lease.values["socket"],
    )
