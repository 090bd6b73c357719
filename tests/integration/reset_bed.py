"""A server whose databases are reset, and how they are compared with its template."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pg8000.native
import reset_changes as changes
import reset_oracle as oracle

from noxlib.model import Lease
from noxlib.resources.postgres import PostgresResource

SETTLED = 5.0  # seconds
ROWS = frozenset({"rows", "outside"})
OUTSIDE = frozenset({"outside", "own"})
CATALOGS = frozenset({"catalogs", "outside"})


def eventually(true: Callable[[], bool], seconds: float = SETTLED) -> bool:
    """Tell whether it becomes true in time; that of waiting.py looks less often."""
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


@dataclass(slots=True, kw_only=True)
class Bed:
    """A server whose databases are reset, and how its template looks."""

    resource: PostgresResource
    first: Lease
    template: oracle.State = field(default_factory=dict)
    admin: Any = None

    def open_one(self, user: str, database: str) -> pg8000.native.Connection:
        address = self.first.address
        path = Path(address.socket_folder) / f".s.PGSQL.{address.port}"
        return pg8000.native.Connection(user, database=database, unix_sock=str(path), ssl_context=False)

    def site(self, lease: Lease) -> changes.Site:
        return changes.Site(lambda user: self.open_one(user, lease.values["database"]))

    def differences(self, lease: Lease, parts: frozenset[str] = oracle.WHOLE) -> dict[str, Any]:
        """Compare with the template, once the clients that have said goodbye are gone."""
        name = lease.values["database"]
        assert eventually(lambda: not self.clients(name), SETTLED)
        return oracle.differences(self.template, oracle.state(self.open_one, name, parts), parts)

    def look_at_template(self) -> oracle.State:
        self.admin.run("ALTER DATABASE noxlib_template ALLOW_CONNECTIONS true")
        found = oracle.state(self.open_one, "noxlib_template")
        self.admin.run("ALTER DATABASE noxlib_template ALLOW_CONNECTIONS false")
        return found

    def clients(self, name: str) -> int:
        rows = self.admin.run("SELECT count(*) FROM pg_stat_activity WHERE datname = :name", name=name)
        return int(rows[0][0])

    def oid(self, name: str) -> int:
        rows = self.admin.run("SELECT oid FROM pg_database WHERE datname = :name", name=name)
        return int(rows[0][0]) if rows else 0

    def name(self, oid: int) -> str:
        rows = self.admin.run("SELECT datname FROM pg_database WHERE oid = :oid", oid=oid)
        return str(rows[0][0]) if rows else ""

    def fresh(self) -> Lease:
        """Return a database that was made just now."""
        newest = int(self.admin.run("SELECT max(oid::int8) FROM pg_database")[0][0])
        while self.oid((lease := self.resource.acquire()).values["database"]) <= newest:
            self.discard(lease)
        return lease

    def after(self, lease: Lease, then: str) -> Lease:
        """Release a database, wait for what is to become of it, and compare what is handed out next.

        Return that, which is the same one again or another.
        """
        name = lease.values["database"]
        oid = self.oid(name)
        self.resource.release(name)
        assert eventually(lambda: self.name(oid) != name), f"{name} is neither reset nor dropped"
        if then == changes.DROPPED:
            assert eventually(lambda: not self.name(oid)), f"{name} isn't dropped"
        next_one = self.resource.acquire()
        while then == changes.AGAIN and self.oid(next_one.values["database"]) != oid:
            assert self.name(oid), f"{name} is dropped"
            self.discard(next_one)
            next_one = self.resource.acquire()
        # A clone can differ by what lies outside of it; the template itself is looked at in the end.
        assert self.differences(next_one, oracle.WHOLE if then == changes.AGAIN else OUTSIDE) == {}
        return next_one

    def release(self, lease: Lease) -> None:
        self.resource.release(lease.values["database"])

    def discard(self, lease: Lease) -> None:
        name = lease.values["database"]
        self.admin.run(f'DROP DATABASE "{name}" WITH (FORCE)')
        self.resource.release(name)


def looked_at(resource: PostgresResource, first: Lease) -> Bed:
    """Look at the template's own database, before anything was made of it."""
    bed = Bed(resource=resource, first=first)
    bed.admin = bed.open_one("postgres", "postgres")
    bed.template = bed.look_at_template()
    return bed
