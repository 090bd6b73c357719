"""A server that isn't ours, and sessions on it: a real PostgreSQL stands in for CI's service container."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psutil
from postgres_client import Running

from noxlib.dsn import ExternalServer
from noxlib.model import Binaries, External, Lease, Platform, Postgres, SessionPlan, Work
from noxlib.resources.external_broker import brokers
from noxlib.resources.external_server import find_external
from noxlib.resources.postgres import PostgresOrder, PostgresResource
from noxlib.resources.postgres_external import ExternalPostgres

PLACE = "services.toml: services.a.postgres"
PLAN = SessionPlan(
    name="integration-a", service="a", type="integration", python="", tags=(), description="", exclusive=False
)


@dataclass
class Container:
    """A server with a password, and what a CI file would say of it."""

    running: Running
    user: str = "postgres"
    password: str = ""
    allow: tuple[str, ...] = ("127.0.0.1:*/postgres",)

    @property
    def url(self) -> str:
        password = self.password or self.running.lease.values["password"]
        return f"postgresql://{self.user}:{password}@127.0.0.1:{self.running.lease.address.port}/postgres"

    def settings(self, **given: Any) -> Postgres:
        return Postgres(external=External(variable="CI_DATABASE_URL", allow=self.allow), **given)

    def find(self, **given: Any) -> tuple[ExternalServer, Binaries]:
        found = find_external(self.settings(**given), PLACE, {"CI_DATABASE_URL": self.url})
        assert found
        return found

    def ask(self, sql: str) -> Any:
        return self.running.ask_socket(sql)

    def ours(self) -> int:
        """Count what sessions have made here."""
        made = "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles"
        ours = f"SELECT count(*) FROM ({made}) AS n(name) WHERE name LIKE 'noxlib\\_0%'"
        return int(self.ask(ours))

    def limited(self, rights: str = "CREATEDB", password: str = "") -> Container:
        """Return the same server as a user who is no superuser."""
        password = password or "limited-password"
        self.ask(f"CREATE ROLE ci LOGIN {rights} PASSWORD '{password}'")
        return Container(self.running, user="ci", password=password)


@dataclass
class Session:
    """One session on an external server."""

    resource: ExternalPostgres
    lease: Lease
    server: ExternalServer
    broker: psutil.Process

    def ask(self, sql: str, lease: Lease | None = None, **how: Any) -> Any:
        # Of the resource nothing is asked for.
        client = Running(resource=cast(PostgresResource, self.resource), lease=lease or self.lease)
        return client.ask(sql, **how)


@contextlib.contextmanager
def entered(where: Container, order: PostgresOrder, run_folder: Path) -> Iterator[Session]:
    """Live in a session of its own run."""
    server, binaries = where.find(version=order.settings.version, extensions=order.settings.extensions)
    order = replace(order, binaries=binaries, folder=order.folder / run_folder.name)
    order.folder.mkdir()
    with brokers(work(run_folder, {order.name: server})) as (own, channels):
        resource = ExternalPostgres(order, own.external[order.name])
        broker = psutil.Process().children()[-1]
        channels.clear()  # the channel's own now
        try:
            yield Session(resource, resource.start(), own.external[order.name], broker)
        finally:
            resource.stop()


def work(run_folder: Path, external: dict[str, ExternalServer]) -> Work:
    (run_folder / "logs").mkdir(parents=True, exist_ok=True)
    return Work(
        plan=PLAN,
        platform=Platform(name="p", services={}),
        root=str(run_folder),
        run_folder=str(run_folder),
        state_folder=str(run_folder),
        box="guarded",
        environments={},
        postgres={},
        external=external,
    )
