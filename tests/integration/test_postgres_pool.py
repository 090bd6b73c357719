"""Fresh databases of a running server: what they hold, and that nobody has used them before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pg8000.native
import pytest
from waiting import eventually

from noxlib.errors import ResourceError
from noxlib.model import Lease
from noxlib.resources import postgres_archive, postgres_pool, postgres_sql
from noxlib.resources.postgres import PostgresOrder, PostgresResource
from noxlib.resources.postgres_boot import boot

Start = Callable[..., Any]  # a Running, see conftest.py
Order = Callable[..., PostgresOrder]

SCHEMA = "CREATE TABLE t (id serial, owner text DEFAULT current_user)"
POLICY = """
CREATE TABLE secret (owner text, word text);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user);
INSERT INTO secret VALUES ('app', 'mine'), ('other', 'theirs');
GRANT SELECT ON secret TO app;
"""


def psql(sql: str) -> tuple[str, ...]:
    return ("psql", "-qv", "ON_ERROR_STOP=1", "-c", sql)


def seeds(folder: Path, sql: str) -> tuple[str, ...]:
    (folder / "seed.sql").write_text(sql)
    return ("seed.sql",)


def ask(lease: Lease, sql: str, **how: Any) -> Any:
    """Return the first value of a query, connected as the lease says."""
    values = lease.values
    given = {key: values[key] for key in ("user", "password", "host", "database")} | how
    connection = pg8000.native.Connection(port=int(values["port"]), **given)
    try:
        rows = connection.run(sql)
        return rows[0][0] if rows else None
    finally:
        connection.close()


def databases(server: Any) -> set[str]:
    names = server.ask_socket("SELECT array_agg(datname::text) FROM pg_database WHERE NOT datistemplate")
    return set(names) - {"postgres"}


def test_a_database_is_migrated_seeded_and_fresh(started: Start, tmp_path: Path) -> None:
    server = started(migrate=psql(SCHEMA), seed=seeds(tmp_path, "INSERT INTO t SELECT; INSERT INTO t SELECT"))
    first = server.resource.acquire()
    assert ask(first, "SELECT count(*) FROM t") == 2
    ask(first, "DELETE FROM t")
    ask(first, "CREATE TABLE left_behind ()")
    server.ask("INSERT INTO t SELECT")
    server.resource.release(first.values["database"])
    second = server.resource.acquire()
    assert second.values["database"] != first.values["database"]
    assert ask(second, "SELECT count(*) FROM t") == 2
    assert ask(second, "SELECT to_regclass('left_behind')::text") is None
    assert ask(second, "SELECT current_database()") == second.values["database"] == second.env["PGDATABASE"]


def test_sequences_start_afresh_in_each_database(started: Start) -> None:
    server = started(migrate=psql(SCHEMA))
    for _ in range(3):
        lease = server.resource.acquire()
        ids = [ask(lease, "INSERT INTO t DEFAULT VALUES RETURNING id") for _ in range(2)]
        assert ids == [1, 2]
        server.resource.release(lease.values["database"])


def test_two_in_use_at_once_are_two(started: Start) -> None:
    server = started(migrate=psql(SCHEMA))
    one, other = server.resource.acquire(), server.resource.acquire()
    ask(one, "INSERT INTO t DEFAULT VALUES")
    assert one.values["database"] != other.values["database"]
    assert ask(other, "SELECT count(*) FROM t") == 0


def test_many_threads_at_once_never_share_one(started: Start) -> None:
    resource, names = started().resource, []

    def work() -> None:
        for _ in range(5):
            name = resource.acquire().values["database"]
            names.append(name)
            resource.release(name)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(names) == len(set(names)) == 30


def test_a_released_database_is_dropped_soon(started: Start) -> None:
    server = started()
    name = server.resource.acquire().values["database"]
    assert name in databases(server)
    server.resource.release(name)
    assert eventually(lambda: name not in databases(server))


def test_the_number_of_databases_doesnt_grow_with_the_number_of_tests(started: Start) -> None:
    server = started()
    for _ in range(40):
        server.resource.release(server.resource.acquire().values["database"])
    most = 1 + postgres_pool.AHEAD + 1  # the service's own; those that are ready
    assert eventually(lambda: len(databases(server)) <= most), databases(server)


def test_nothing_is_made_before_the_first_is_asked_for(started: Start) -> None:
    server = started()
    assert not eventually(lambda: databases(server) != {"test"}, 0.3)
    server.resource.acquire()
    assert len(databases(server)) > 1


def test_what_is_released_twice_or_was_never_handed_out_is_let_be(started: Start) -> None:
    server = started()
    name = server.resource.acquire().values["database"]
    for each in (name, name, "test", "postgres"):
        server.resource.release(each)
    assert eventually(lambda: name not in databases(server))
    assert "test" in databases(server)
    assert server.ask("SELECT 1") == 1


def test_a_migrations_settings_and_grants_hold_in_each_database(started: Start) -> None:
    migrate = psql(
        "ALTER DATABASE test SET work_mem = '5MB'; ALTER ROLE app IN DATABASE test SET statement_timeout = '7s';"
        "CREATE ROLE reader LOGIN; REVOKE CONNECT ON DATABASE test FROM PUBLIC;"
        "GRANT CONNECT, CREATE ON DATABASE test TO app"
    )
    server = started(migrate=migrate, init_sql=("CREATE ROLE app LOGIN",))
    lease = server.resource.acquire()
    assert ask(lease, "SHOW work_mem") == "5MB"
    assert ask(lease, "SHOW statement_timeout") == "0"
    assert ask(lease, "SHOW statement_timeout", user="app") == "7s"
    assert ask(lease, "CREATE SCHEMA own", user="app") is None
    with pytest.raises(pg8000.native.DatabaseError, match="permission denied for database"):
        ask(lease, "SELECT 1", user="reader")


def test_a_role_without_superuser_rights_owns_each_database(started: Start) -> None:
    server = started(role="app", migrate=psql(SCHEMA))
    lease = server.resource.acquire()
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
    assert ask(lease, owner) == "app"
    assert ask(lease, "INSERT INTO t DEFAULT VALUES RETURNING owner") == "app"
    assert ask(lease, "SELECT usesuper OR usecreatedb FROM pg_user WHERE usename = current_user") is False


def test_row_level_security_is_enforced(started: Start) -> None:
    server = started(role="app", init_sql=tuple(POLICY.strip().split("\n")))
    lease = server.resource.acquire()
    assert ask(lease, "SELECT array_agg(word) FROM secret") == ["mine"]
    assert ask(lease, "SELECT count(*) FROM secret", user="postgres", password=None) == 2


def test_a_further_server_has_databases_of_its_own(started: Start) -> None:
    url = {"AUDIT_URL": "postgresql://{user}@{host}:{port}/{database}"}
    one = started(migrate=psql(SCHEMA))
    audit = started(name="postgres.audit", env=url, migrate=psql("CREATE TABLE a ()"))
    lease = audit.resource.acquire()
    assert lease.resource == "a/postgres.audit"
    assert list(lease.env) == ["AUDIT_URL"], "PGDATABASE is the first server's"
    assert lease.env["AUDIT_URL"].endswith(f":{lease.address.port}/{lease.values['database']}")
    assert ask(lease, "SELECT to_regclass('t')::text") is None
    assert ask(lease, "SELECT to_regclass('a')::text") == "a"
    assert ask(one.resource.acquire(), "SELECT to_regclass('t')::text") == "t"


def test_a_configuration_file_is_rendered_for_each_database(started: Start, tmp_path: Path) -> None:
    (tmp_path / "app.toml").write_text("dsn = '{user}:{password}@{host}:{port}/{database}'\n")
    server = started(private_network=False, render={"APP_CONFIG": "app.toml"})
    leases = [server.lease, server.resource.acquire(), server.resource.acquire()]
    files = [Path(each.env["APP_CONFIG"]) for each in leases]
    assert len(set(files)) == 3
    for lease, path in zip(leases, files, strict=True):
        values = lease.values
        assert path.read_text() == (
            f"dsn = 'postgres:{values['password']}@127.0.0.1:{values['port']}/{values['database']}'\n"
        )
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.suffix == ".toml", "programs choose their parser by it"


def test_a_template_of_a_configuration_file_that_is_missing_is_said(started: Start) -> None:
    place = r"^services\.toml: services\.a\.postgres\.render\.APP_CONFIG: conf/app\.toml can't be read"
    with pytest.raises(ResourceError, match=place):
        started(render={"APP_CONFIG": "conf/app.toml"})


def test_a_long_name_is_cut_below_postgresqls_limit(started: Start) -> None:
    name = "a" * 63
    server = started(database=name)
    leases = [server.resource.acquire() for _ in range(12)]
    names = {each.values["database"] for each in leases}
    assert len(names) == 12
    assert all(ask(each, "SELECT current_database()") == each.values["database"] for each in leases)
    assert server.ask("SELECT current_database()") == name


class TestKeep:
    """keep = "failed": the databases of failed tests go into an archive that boots."""

    def test_a_failed_tests_database_is_kept_and_the_others_arent(
        self, postgres_order: Order, trail: Any, tmp_path: Path
    ) -> None:
        order = postgres_order(keep="failed", migrate=psql(SCHEMA))
        resource = PostgresResource(order)
        resource.start()
        failed, passed, held = (resource.acquire() for _ in range(3))
        assert failed.keep
        ask(failed, "INSERT INTO t (owner) VALUES ('evidence')")
        resource.release(failed.values["database"], failed=True)
        resource.release(passed.values["database"])
        resource.stop()
        name = failed.values["database"]
        assert dict(trail)["postgres.kept"] == {"resource": "a/postgres", "databases": [name]}
        data = tmp_path / "look"
        data.mkdir()
        postgres_archive.unpack(order.kept, data, None)
        assert not (data / "postmaster.pid").exists()
        again = boot(order, "trust", lambda: order.kept)
        try:
            found = again.dsn(database="postgres")
            kept = pg8000.native.Connection(found["user"], database=name, unix_sock=found["unix_sock"])
            assert kept.run("SELECT owner FROM t") == [["evidence"]]
            names = {row[0] for row in kept.run("SELECT datname FROM pg_database")}
            kept.close()
        finally:
            again.stop()
        assert names == {name, "test", "postgres", "template0", "template1", postgres_sql.TEMPLATE}
        assert held.values["database"] not in names

    @pytest.mark.parametrize(("keep", "failed"), [("failed", False), ("never", True)])
    def test_nothing_is_written_without_failures_or_unasked(
        self, postgres_order: Order, keep: str, failed: bool
    ) -> None:
        order = postgres_order(keep=keep)
        resource = PostgresResource(order)
        resource.start()
        lease = resource.acquire()
        assert lease.keep is (keep == "failed")
        resource.release(lease.values["database"], failed=failed)
        resource.stop()
        assert not order.kept.parent.exists()
