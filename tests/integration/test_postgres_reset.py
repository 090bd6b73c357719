"""`isolation = "reset"`: nothing is ever carried over from one test's database to the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000.native
import pytest
import reset_changes as changes
import reset_oracle as oracle
from conftest import _reachable, eventually

from noxlib.box import free_port
from noxlib.model import Lease, Postgres
from noxlib.resources import postgres_pool
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres import PostgresOrder, PostgresResource, server_credentials

Start = Callable[..., Any]  # a Running, see conftest.py
ALL = [pytest.param(each, id=f"{kind}: {each.name}") for kind, of in changes.KINDS.items() for each in of]
SETTLED = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """A server whose databases are reset, and how its template looks."""

    resource: PostgresResource
    first: Lease
    template: oracle.State
    admin: Any

    def open_one(self, user: str, database: str) -> pg8000.native.Connection:
        address = self.first.address
        path = Path(address.socket_folder) / f".s.PGSQL.{address.port}"
        return pg8000.native.Connection(user, database=database, unix_sock=str(path), ssl_context=False)

    def site(self, lease: Lease) -> changes.Site:
        return changes.Site(lambda user: self.open_one(user, lease.values["database"]))

    def state(self, lease: Lease) -> oracle.State:
        """Look once the clients that have said goodbye are gone."""
        name = lease.values["database"]
        assert eventually(lambda: not self.clients(name), SETTLED)
        return oracle.state(self.open_one, name)

    def clients(self, name: str) -> int:
        rows = self.admin.run("SELECT count(*) FROM pg_stat_activity WHERE datname = :name", name=name)
        return int(rows[0][0])

    def oid(self, name: str) -> int:
        rows = self.admin.run("SELECT oid FROM pg_database WHERE datname = :name", name=name)
        return int(rows[0][0]) if rows else 0

    def name(self, oid: int) -> str:
        rows = self.admin.run("SELECT datname FROM pg_database WHERE oid = :oid", oid=oid)
        return str(rows[0][0]) if rows else ""

    def after(self, lease: Lease, then: str) -> None:
        """Release a database, wait for what is to become of it, and compare what is handed out next."""
        name = lease.values["database"]
        oid = self.oid(name)
        self.resource.release(name)
        assert eventually(lambda: self.name(oid) != name, SETTLED), f"{name} is neither reset nor dropped"
        if then == changes.DROPPED:
            assert eventually(lambda: not self.name(oid), SETTLED), f"{name} isn't dropped"
        held = [self.resource.acquire()]
        try:
            while then == changes.AGAIN and self.oid(held[-1].values["database"]) != oid:
                assert self.name(oid), f"{name} is dropped"
                held.append(self.resource.acquire())
            assert oracle.differences(self.template, self.state(held[-1])) == {}
        finally:
            for number, each in enumerate(held):
                if number > 1:  # the queue would grow
                    self.admin.run(f'DROP DATABASE "{each.values["database"]}" WITH (FORCE)')
                self.resource.release(each.values["database"])


@pytest.fixture(scope="module", params=["system", "wheel"])
def bed(
    request: pytest.FixtureRequest, postgres_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bed]:
    with pytest.MonkeyPatch.context() as patch, _reachable("nxb") as box:
        patch.setenv("NOXLIB_PG_SYSTEM", "off" if request.param == "wheel" else "on")
        patch.setattr(postgres_pool, "MOST_AHEAD", 1)  # what is released comes again soon
        folder = tmp_path_factory.mktemp("bed")
        (folder / "schema.sql").write_text(changes.SCHEMA)
        settings = Postgres(
            role="app",
            isolation="reset",
            extensions=changes.EXTENSIONS,
            init_sql=changes.INIT_SQL,
            migrate=("psql", "-Xqv", "ON_ERROR_STOP=1", "-f", "schema.sql"),
            settings={"max_prepared_transactions": "5"},
        )
        place = "services.toml: services.a.postgres"
        order = PostgresOrder(
            owner="a",
            settings=settings,
            binaries=find_binaries(settings, place, postgres_cache, print),
            folder=box,
            cache=postgres_cache,
            private_network=True,
            credentials=server_credentials(),
            log=folder / "server.log",
            kept=folder / "kept.tar",
            service_folder=folder,
            environment=dict(os.environ),
            reserve=free_port,
            event=lambda *_words, **_facts: None,
            port=free_port(),
            migration_key="reset",
        )
        resource = PostgresResource(order)
        try:
            made = looked_at(resource, resource.start())
            yield made
            made.admin.close()
        finally:
            resource.stop()


def looked_at(resource: PostgresResource, first: Lease) -> Bed:
    """Look at the template's own database, before anything was made of it."""
    bed = Bed(resource=resource, first=first, template={}, admin=None)
    admin = bed.open_one("postgres", "postgres")
    admin.run("ALTER DATABASE noxlib_template ALLOW_CONNECTIONS true")
    bed.template.update(oracle.state(bed.open_one, "noxlib_template"))
    admin.run("ALTER DATABASE noxlib_template ALLOW_CONNECTIONS false")
    return Bed(resource=resource, first=first, template=bed.template, admin=admin)


def test_the_corpus_is_large_and_its_names_are_its_own() -> None:
    names = [each.name for of in changes.KINDS.values() for each in of]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("change", ALL)
def test_nothing_is_carried_over(bed: Bed, change: changes.Change) -> None:
    lease = bed.resource.acquire()
    change.do(bed.site(lease))
    seen = oracle.differences(bed.template, bed.state(lease))
    assert bool(seen) == change.visible, seen
    bed.after(lease, change.then)


@pytest.mark.parametrize("what", changes.REFUSED)
def test_what_could_mislead_the_counters_is_refused(bed: Bed, what: str) -> None:
    lease = bed.resource.acquire()
    words = "permission|must be|Must be|Only roles|no security label|superuser|denied"
    with bed.site(lease).connected() as connection, pytest.raises(pg8000.native.DatabaseError, match=words):
        connection.execute_simple(changes.REFUSED[what])
    bed.after(lease, changes.AGAIN)
