"""What tests ask of a PostgreSQL that they started."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000.native

from noxlib.model import Lease
from noxlib.resources.postgres import PostgresResource


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started server and its lease, with a client."""

    resource: PostgresResource
    lease: Lease

    def ask(self, sql: str, **how: Any) -> Any:
        """Return the first value of a query over TCP, as the lease's user."""
        values = self.lease.values
        given = {
            "user": values["user"],
            "password": values["password"],
            "host": values["host"],
            "port": self.lease.address.port,
            "database": values["database"],
            **how,
        }
        with contextlib.closing(pg8000.native.Connection(**given)) as connection:
            rows = connection.run(sql)
            return rows[0][0] if rows else None

    def ask_socket(self, sql: str) -> Any:
        """Return the first value of a query over the socket, as the superuser without a password."""
        path = Path(self.lease.address.socket_folder) / f".s.PGSQL.{self.lease.address.port}"
        return self.ask(sql, user="postgres", password=None, unix_sock=str(path))
