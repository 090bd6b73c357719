"""Fresh databases for tests, asked of the supervisor: no driver is needed for that in the service."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from noxlib import protocol
from noxlib.model import Lease, SessionFile, from_json

WORKER = "PYTEST_XDIST_WORKER"  # set by xdist before a worker reads its configuration
DATABASES: pytest.StashKey[Databases] = pytest.StashKey()  # of the configuration
HELD: pytest.StashKey[list[Database]] = pytest.StashKey()  # of a test
FAILED = pytest.StashKey[bool]()
KEPT = "noxlib keeps the database, to open it"  # heads a section of a failed test's report


@dataclass(frozen=True, slots=True)
class Database:
    """One database: migrated, seeded, used by nobody before."""

    lease: Lease

    @property
    def name(self) -> str:
        """The database's name."""
        return self.lease.values["database"]

    @property
    def env(self) -> dict[str, str]:
        """The variables of services.toml's `env` for this database, and libpq's own."""
        return dict(self.lease.env)

    @property
    def values(self) -> dict[str, str]:
        """user, password, host, port, database, socket_folder."""
        return dict(self.lease.values)

    @property
    def dsn(self) -> str:
        """The keyword string of libpq: "host=127.0.0.1 port=5432 ..."."""
        values = self.lease.values
        words = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
        return " ".join(f"{word}={_quoted(values[key])}" for word, key in words.items())

    def url(self, driver: str = "") -> str:
        """Return the URL; `driver` as SQLAlchemy names it: "psycopg", "asyncpg", "pg8000"."""
        from urllib.parse import quote  # noqa: PLC0415  5 ms

        values = {key: quote(value, safe="") for key, value in self.lease.values.items()}
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        who = f"{values['user']}:{values['password']}"
        return f"{scheme}://{who}@{values['host']}:{values['port']}/{values['database']}"


class Databases:
    """The databases of one test process. Its connection is their lifetime: a process that dies loses them."""

    def __init__(self, found: SessionFile) -> None:
        """Take the session; nothing is asked for yet."""
        self._session = found
        self._client = protocol.Client(found.control, found.token)

    def acquire(self, server: str = "postgres") -> Database:
        """Return a fresh database of the service's server. Raises ProtocolError."""
        name = self._resource(server)
        answer = self._client.call(protocol.DATABASE_ACQUIRE, {"resource": name})
        return Database(from_json(Lease, answer))

    def release(self, database: Database, *, failed: bool = False) -> None:
        """Give a database back. Nobody waits for that: it is dropped when its last client has gone."""
        args = {"resource": database.lease.resource, "database": database.name, "failed": failed}
        self._client.post(protocol.DATABASE_RELEASE, args)

    def close(self) -> None:
        """Give everything back."""
        self._client.close()

    def _resource(self, server: str) -> str:
        service = self._session.plan.service
        names = [each.resource for each in self._session.leases if each.kind == "postgres"]
        own = [name.removeprefix(f"{service}/") for name in names if name.startswith(f"{service}/")]
        wanted = server if server == "postgres" else f"postgres.{server.removeprefix('postgres.')}"
        if wanted not in own:
            pytest.fail(
                f"this session has no {wanted} of {service}; it has: {', '.join(own) or 'none'}\n"
                f"  to fix it: add [services.{service}.{wanted}] to services.toml, or use a test type that "
                "has servers",
                pytrace=False,
            )
        return f"{service}/{wanted}"


def give_worker_its_own(found: SessionFile, databases: Databases) -> SessionFile:
    """Give an xdist worker databases of its own, in its environment before it imports a test.

    Not where the service's own process runs: tests and process must see the same database.
    """
    service = found.plan.service
    if any(each.resource == f"{service}/process" for each in found.leases):
        return found
    leases = []
    for each in found.leases:
        own = each.kind == "postgres" and each.resource.startswith(f"{service}/")
        fresh = databases.acquire(each.resource.partition("/")[2]).lease if own else each
        os.environ.update(fresh.env if own else {})
        leases.append(fresh)
    return replace(found, leases=tuple(leases))


def lender(databases: Databases, item: pytest.Item) -> Callable[[str], Database]:
    """Return what hands databases to one test; `take_back` is for its end."""

    def acquire(server: str = "postgres") -> Database:
        database = databases.acquire(server)
        item.stash.setdefault(HELD, []).append(database)
        return database

    return acquire


def take_back(databases: Databases, item: pytest.Item) -> None:
    """Give back what a test held; a later tear-down that fails is too late to keep it."""
    held = item.stash.get(HELD, [])
    while held:
        databases.release(held.pop(), failed=item.stash.get(FAILED, False))


class Reports:
    """Note a test's failure for its tear-down, and say how to open what is kept of it."""

    def __init__(self, found: SessionFile) -> None:
        """Take the session, whose run keeps the databases."""
        self._session = found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Look at each report on its way."""
        report = yield
        if report.failed and not item.stash.get(FAILED, False):
            item.stash[FAILED] = True
            run = Path(self._session.run_folder).name
            for database in item.stash.get(HELD, []):
                if database.lease.keep:
                    service = self._session.plan.service
                    line = f"nox -s db-{service} -- {run}/{database.name}"
                    report.sections.append((KEPT, line))
        return report


def _quoted(value: str) -> str:
    if value and not set(value) & set(" '\\"):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
