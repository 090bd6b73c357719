"""`isolation = "reset"`: nothing is ever carried over from one test's database to the next."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import reset_changes as changes
import reset_objects as objects
import reset_oracle as oracle
import reset_schema as schema
from conftest import _reachable
from pg8000.native import DatabaseError, InterfaceError
from reset_bed import CATALOGS, ROWS, Bed, looked_at

from noxlib.box import free_port
from noxlib.errors import ResourceError
from noxlib.model import Postgres
from noxlib.resources import postgres_pool, postgres_reset
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres import PostgresOrder, PostgresResource, server_credentials

Start = Callable[..., Any]  # a Running, see conftest.py
ALL = {**changes.KINDS, **objects.KINDS}


# CI tries one PostgreSQL; `nox -s corpus` both.
SERVERS = ["system", "wheel"] if os.environ.get("NOXLIB_CORPUS") == "full" else ["system"]


@pytest.fixture(scope="module", params=SERVERS)
def bed(
    request: pytest.FixtureRequest, postgres_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bed]:
    with pytest.MonkeyPatch.context() as patch, _reachable("nxb") as box:
        patch.setenv("NOXLIB_PG_SYSTEM", "off" if request.param == "wheel" else "on")
        patch.setattr(postgres_reset, "TABLES", schema.SEVERAL - 1)
        patch.setattr(postgres_pool, "MOST_AHEAD", 1)  # what is released comes again soon
        folder = tmp_path_factory.mktemp("bed")
        (folder / "schema.sql").write_text(schema.SCHEMA)
        settings = Postgres(
            role="app",
            isolation="reset",
            extensions=schema.EXTENSIONS,
            init_sql=schema.INIT_SQL,
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


def test_the_corpus_is_large_and_its_names_are_its_own() -> None:
    names = [each.name for of in ALL.values() for each in of]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize(
    "change", [pytest.param(each, id=f"{kind}: {each.name}") for kind, of in ALL.items() for each in of]
)
def test_nothing_is_carried_over(bed: Bed, change: changes.Change) -> None:
    lease = bed.resource.acquire()
    change.do(bed.site(lease))
    first = ROWS if change.then == changes.AGAIN else CATALOGS
    seen = (change.visible and bed.differences(lease, first)) or bed.differences(lease)
    assert bool(seen) == change.visible, seen
    bed.release(bed.after(lease, change.then))


def test_what_could_mislead_the_counters_is_refused(bed: Bed) -> None:
    lease = bed.resource.acquire()
    words = "permission|must be|must have|[Oo]nly|no security label|denied"
    for what, statement in objects.REFUSED.items():
        with bed.site(lease).connected() as connection, pytest.raises(DatabaseError) as caught:
            connection.execute_simple(statement)
        assert re.search(words, str(caught.value)), f"{what}: {caught.value}"
    assert bed.differences(lease) == {}
    bed.release(bed.after(lease, changes.DROPPED))


def test_the_same_database_bears_changes_again_and_again_but_not_for_ever(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_reset, "RESETS", 3)
    lease = bed.fresh()
    for then in (changes.AGAIN, changes.AGAIN, changes.AGAIN, changes.DROPPED):
        with bed.site(lease).connected() as connection:
            connection.run("UPDATE plain SET word = 'x'")
        lease = bed.after(lease, then)
    bed.release(lease)


def test_a_client_that_stays_costs_the_database(bed: Bed) -> None:
    lease = bed.resource.acquire()
    with bed.site(lease).connected() as connection:
        connection.execute_simple("SELECT pg_advisory_lock(42); LISTEN news")
        bed.release(bed.after(lease, changes.DROPPED))
        with pytest.raises((DatabaseError, InterfaceError)):
            connection.run("INSERT INTO audit VALUES ('late')")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_statement_that_ends_after_the_release_is_seen(bed: Bed, end: str) -> None:
    lease = bed.resource.acquire()

    def late() -> None:
        with bed.site(lease).connected() as connection:
            connection.execute_simple("BEGIN; INSERT INTO audit VALUES ('late')")
            begun.set()
            connection.execute_simple("SELECT pg_sleep(0.1)")
            connection.execute_simple(end)

    begun = threading.Event()
    thread = threading.Thread(target=late)
    thread.start()
    assert begun.wait(5.0)
    bed.release(bed.after(lease, changes.AGAIN))
    thread.join()


def test_a_client_of_old_that_comes_again_finds_nothing(bed: Bed) -> None:
    """Connection pools do that: the next test must not have its rows."""
    came = refused = 0
    ended = threading.Event()
    names = [""]

    def come_again() -> None:
        nonlocal came, refused
        while not ended.is_set():
            try:
                connection = bed.open_one("app", names[0])
            except (DatabaseError, InterfaceError):
                refused += 1
                continue
            with contextlib.suppress(DatabaseError, InterfaceError, OSError):
                connection.run("INSERT INTO audit VALUES ('of old')")
                came += 1
            with contextlib.suppress(InterfaceError, OSError):
                connection.close()

    lease = bed.resource.acquire()
    names[0] = lease.values["database"]
    thread = threading.Thread(target=come_again)
    thread.start()
    for _ in range(25):
        bed.release(lease)
        lease = bed.resource.acquire()
        assert bed.differences(lease, ROWS) == {}
        names[0] = lease.values["database"]
        time.sleep(0.005)
    ended.set()
    thread.join()
    bed.release(lease)
    assert came
    assert refused


def test_a_notification_doesnt_reach_the_next_test(bed: Bed) -> None:
    lease = bed.resource.acquire()
    with bed.site(lease).connected() as connection:
        connection.run("SELECT pg_notify('news', 'of old')")
    again = bed.after(lease, changes.AGAIN)
    with bed.site(again).connected() as connection:
        connection.run("LISTEN news")
        connection.run("SELECT 1")
        assert list(connection.notifications) == []
        connection.run("NOTIFY news")
        connection.run("SELECT 1")
        assert len(connection.notifications) == 1
    bed.release(again)


def test_a_prepared_transaction_that_is_left_keeps_its_database_away(bed: Bed) -> None:
    lease = bed.resource.acquire()
    name = lease.values["database"]
    oid = bed.oid(name)
    with bed.site(lease).connected() as connection:
        for statement in ("BEGIN", "INSERT INTO audit VALUES ('x')", "PREPARE TRANSACTION 'x'"):
            connection.run(statement)
    assert set(bed.differences(lease)) >= {"prepared"}
    bed.resource.release(name)
    time.sleep(postgres_pool.LINGER_SECONDS + 0.2)
    held = [bed.resource.acquire() for _ in range(3)]
    assert oid not in {bed.oid(each.values["database"]) for each in held}
    for each in held:
        bed.release(each)
    with contextlib.closing(bed.open_one("postgres", name)) as connection:
        connection.run("ROLLBACK PREPARED 'x'")
    bed.admin.run(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_test_that_drops_its_own_database_leaves_nothing(bed: Bed) -> None:
    lease = bed.resource.acquire()
    with contextlib.closing(bed.open_one("app", "test")) as connection:
        connection.run(f'DROP DATABASE "{lease.values["database"]}"')
    bed.release(bed.after(lease, changes.DROPPED))


def test_a_server_that_has_crashed_forgets_what_it_counted(started: Start) -> None:
    migrate = ("psql", "-qc", "CREATE TABLE audit (what text)")
    server = started(role="app", isolation="reset", migrate=migrate)
    bed = looked_at(server.resource, server.lease)
    lease, read = bed.resource.acquire(), bed.resource.acquire()
    with bed.site(lease).connected() as connection:
        connection.run("INSERT INTO audit VALUES ('uncounted')")
        os.kill(connection.run("SELECT pg_backend_pid()")[0][0], signal.SIGKILL)
    with pytest.raises((DatabaseError, InterfaceError, OSError)):
        [bed.admin.run("SELECT pg_sleep(0.01)") for _ in range(500)]  # until the server ends it
    with contextlib.suppress(InterfaceError, OSError):
        bed.admin.close()
    bed.resource.wait_healthy(20.0)
    bed.admin = bed.open_one("postgres", "postgres")
    for each in (lease, read):
        bed.release(bed.after(each, changes.DROPPED))
    bed.release(bed.after(bed.after(bed.fresh(), changes.AGAIN), changes.AGAIN))
    bed.admin.close()


QUICK = [each for kind in ("rows", "sequences") for each in changes.KINDS[kind] if each.then == changes.AGAIN]


def test_two_threads_never_meet_each_others_changes(bed: Bed) -> None:
    chosen = random.Random(1)
    errors: list[BaseException] = []
    again: list[int] = []

    def work(rounds: list[changes.Change]) -> None:
        known: set[int] = set()
        try:
            with contextlib.closing(bed.open_one("postgres", "postgres")) as admin:
                own = replace(bed, admin=admin)
                for change in rounds:
                    lease = own.resource.acquire()
                    oid = own.oid(lease.values["database"])
                    again.extend({oid} & known)
                    known.add(oid)
                    left = own.differences(lease, ROWS)
                    assert left == {}, f"{change.name}: {left}"
                    change.do(own.site(lease))
                    own.release(lease)
        except BaseException as error:  # noqa: BLE001  told to pytest below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(chosen.choices(QUICK, k=75),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert errors == []
    assert len(again) > 75, "they are cloned instead of reset"


class TestRefused:
    """A role or a server whose counters can't be trusted, said before the first database."""

    PLACE = "services.toml: services.a.postgres"

    def refusal(self, bed: Bed, role: str, *statements: str) -> str:
        """Have a fresh database looked at after statements that are undone."""
        with contextlib.closing(bed.open_one("postgres", "postgres")) as connection:
            for statement in ("BEGIN", *statements):
                connection.execute_simple(statement)
            with pytest.raises(ResourceError) as caught:
                postgres_reset.Resetter(role, self.PLACE).learn(connection)
        assert caught.value.remedy
        return str(caught.value)

    @pytest.mark.parametrize("right", ["SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION"])
    def test_a_role_with_rights_beyond_its_database(self, bed: Bed, right: str) -> None:
        assert f"and mighty has {right}\n" in self.refusal(bed, "mighty", f"CREATE ROLE mighty {right}")
        said = self.refusal(bed, "app", f"CREATE ROLE mighty {right}", "GRANT mighty TO app")
        assert f"and app has {right} as a member of mighty\n" in said

    @pytest.mark.parametrize("role", ["pg_execute_server_program", "pg_write_server_files"])
    def test_a_role_that_reaches_the_machine(self, bed: Bed, role: str) -> None:
        assert f"and app has {role}\n" in self.refusal(bed, "app", f"GRANT {role} TO app")

    @pytest.mark.parametrize(
        "statement",
        [
            "SET track_counts = off",
            "ALTER ROLE app SET track_counts = off",
            "ALTER DATABASE test SET track_counts = off",
            "GRANT SET ON PARAMETER track_counts TO app",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET track_counts = off AS 'SELECT 1'",
        ],
    )
    def test_counters_that_are_off(self, bed: Bed, statement: str) -> None:
        assert "track_counts is off or app may set it\n" in self.refusal(bed, "app", statement)

    def test_an_old_server(self) -> None:
        old = SimpleNamespace(parameter_statuses={"server_version": "14.19 (Debian)"})
        with pytest.raises(ResourceError, match='"reset" needs PostgreSQL 15 or newer') as caught:
            postgres_reset.Resetter("app", self.PLACE).learn(old)
        assert 'version = ">=15"' in caught.value.remedy

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({}, "postgres has SUPERUSER, CREATEROLE, CREATEDB, REPLICATION"),
            ({"role": "app", "settings": {"track_counts": "off"}}, "track_counts is off or app may set it"),
        ],
    )
    def test_whoever_asks_for_a_database_is_told(self, started: Start, settings: Any, said: str) -> None:
        server = started(isolation="reset", **settings)
        for _ in range(2):
            with pytest.raises(ResourceError, match=said) as caught:
                server.resource.acquire()
            assert str(caught.value).startswith(f"{self.PLACE}.isolation: ")


def test_the_template_is_as_it_was(bed: Bed) -> None:
    """What is handed out after a change that costs the database is a clone of it."""
    assert oracle.differences(bed.template, bed.look_at_template()) == {}
    lease = bed.fresh()
    assert bed.differences(lease) == {}
    bed.release(lease)


def test_the_documentation_names_every_kind() -> None:
    text = (Path(__file__).parents[2] / "docs/explanation/reset.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    named = {row[1].strip(): {each.strip() for each in row[2].split(";")} for row in rows}
    for kind, of in ALL.items():
        assert named[kind] == {each.name for each in of}
    assert named["refused by PostgreSQL"] == set(objects.REFUSED)
