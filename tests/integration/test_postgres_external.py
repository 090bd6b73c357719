"""Databases on a server that isn't ours: a real PostgreSQL stands in for CI's service container."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pg8000.native
import psutil
import pytest
from conftest import Running
from waiting import eventually

from noxlib import launch
from noxlib.box import free_port
from noxlib.dsn import ExternalServer
from noxlib.errors import NotAvailableYetError, ResourceError
from noxlib.model import Binaries, External, Lease, Platform, Postgres, SessionPlan, Work
from noxlib.resources import external_databases, postgres_sql
from noxlib.resources.external_broker import Channel, brokers, close
from noxlib.resources.external_gateway import Gateway
from noxlib.resources.external_server import connection_to, find_external
from noxlib.resources.postgres import PostgresOrder, PostgresResource
from noxlib.resources.postgres_external import ExternalPostgres

Order = Callable[..., PostgresOrder]
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


@pytest.fixture
def container(started: Callable[..., Running]) -> Container:
    return Container(started(private_network=False, auth="scram-sha-256"))


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


@pytest.fixture
def session(
    container: Container, postgres_order: Order, tmp_path: Path
) -> Callable[..., contextlib.AbstractContextManager[Session]]:
    """Enter a session; keywords are fields of the order, or of the settings."""

    @contextlib.contextmanager
    def enter(where: Container = container, run: str = "r-00000001", **given: Any) -> Iterator[Session]:
        order = postgres_order(private_network=False, log=tmp_path / run / "logs" / "a-postgres.log", **given)
        server, binaries = where.find(version=order.settings.version, extensions=order.settings.extensions)
        order = replace(order, binaries=binaries, folder=order.folder / run)
        order.folder.mkdir()
        with brokers(work(tmp_path / run, {order.name: server})) as (own, channels):
            resource = ExternalPostgres(order, own.external[order.name])
            broker = psutil.Process().children()[-1]
            channels.clear()  # the channel's own now
            try:
                yield Session(resource, resource.start(), own.external[order.name], broker)
            finally:
                resource.stop()

    return enter


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


# --- what a session gets --------------------------------------------------------------------


def test_a_session_has_a_migrated_and_seeded_database_of_its_own_and_leaves_nothing(
    container: Container, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "seed.sql").write_text("insert into account values (1), (2);")
    with session(migrate=("psql", "-c", "create table account (id int)"), seed=("seed.sql",)) as own:
        assert own.ask("select count(*) from account") == 2
        assert own.lease.values["database"] == "noxlib_00000001_0_test"
        assert own.lease.env["PGDATABASE"] == "noxlib_00000001_0_test"
        assert own.ask("select datcollate from pg_database where datname = current_database()") == "C"
        comment = own.ask("select description from pg_shdescription where description like 'noxlib%'")
        assert comment == "noxlib: a/postgres, run r-00000001"
        assert container.ours() > 0
    assert container.ours() == 0


def test_each_test_has_a_fresh_database(container: Container, session: Any) -> None:
    with session(migrate=("psql", "-c", "create table account (id int)")) as own:
        first = own.resource.acquire()
        own.ask("insert into account values (1)", first)
        own.resource.release(first.values["database"], failed=True)
        second = own.resource.acquire()
        assert own.ask("select count(*) from account", second) == 0
        assert len({each.values["database"] for each in (own.lease, first, second)}) == 3
        names = "select array_agg(datname::text) from pg_database"
        assert eventually(lambda: first.values["database"] not in container.ask(names))
    assert container.ours() == 0


def test_the_socket_leads_there_too(session: Any) -> None:
    with session() as own:
        path = Path(own.lease.values["socket_folder"]) / f".s.PGSQL.{own.lease.address.port}"
        assert own.ask("select 1", unix_sock=str(path)) == 1


def test_the_variables_password_is_not_the_tests(session: Any) -> None:
    with session() as own:
        assert own.server.password not in str(own.lease)
        assert own.ask("select current_user") == "noxlib_00000001_0"
        assert own.ask("select rolsuper from pg_roles where rolname = current_user") is True


def test_a_role_of_services_toml_is_no_superuser_there_either(session: Any) -> None:
    with session(role="app") as own:
        assert own.ask("select rolsuper from pg_roles where rolname = current_user") is False
        own.ask("create table t (id int)")
        own.ask("create schema s")
        fresh = own.resource.acquire()
        assert own.ask("select current_user", fresh) == "noxlib_00000001_0"
        own.ask("create table t (id int)", fresh)


def test_a_user_who_may_only_make_databases_will_do(container: Container, session: Any) -> None:
    limited = container.limited()
    with session(limited, init_sql=("create schema s",), settings={"search_path": '"$user", s'}) as own:
        grant = "grant connect on database {} to postgres; revoke temp on database {} from public"
        own.ask(grant.format(*[own.lease.values["database"]] * 2))
        fresh = own.resource.acquire()
        assert own.ask("select current_user", fresh) == "ci"
        assert own.ask("show search_path", fresh) == '"$user", s'
        own.ask("create table s.t (id int)", fresh)
    assert container.ours() == 0


def test_grants_on_the_database_are_copied_also_by_its_owner(container: Container, session: Any) -> None:
    limited = container.limited()
    revoke = "do $$ begin execute format('revoke all on database %I from public', current_database()); end $$"
    with session(limited, init_sql=(revoke,)) as own:
        fresh = own.resource.acquire()
        acl = "select datacl::text from pg_database where datname = current_database()"
        assert own.ask(acl, fresh) == own.ask(acl) == "{ci=CTc/ci}"


def test_settings_hold_in_every_database(session: Any) -> None:
    with session(settings={"timezone": "Asia/Tokyo", "max_connections": "100"}) as own:
        assert own.ask("show timezone") == "Asia/Tokyo"
        assert own.ask("show timezone", own.resource.acquire()) == "Asia/Tokyo"


def test_a_setting_of_the_whole_server_is_asked_for(session: Any) -> None:
    with (
        pytest.raises(ResourceError, match=r"settings\.max_connections: .* has 100, not .7.") as caught,
        session(settings={"max_connections": "7"}),
    ):
        pass
    assert "-c max_connections=7" in caught.value.remedy
    with (
        pytest.raises(ResourceError, match=r"settings\.nonsense: .* doesn't know it"),
        session(run="r-00000002", settings={"nonsense": "7"}),
    ):
        pass


def test_two_sessions_do_not_meet(container: Container, session: Any) -> None:
    with session() as one, session(run="r-00000002", owner="b") as other:
        one.ask("create table only_here (id int)")
        assert other.ask("select to_regclass('only_here')") is None
        one.resource.acquire()
        other.resource.acquire()
    assert container.ours() == 0


def test_a_lot_of_bytes_come_through_both_ways(session: Any) -> None:
    with session() as own:
        assert own.ask(f"select length('{'x' * 3_000_000}')") == 3_000_000
        assert len(own.ask("select repeat('y', 3000000)")) == 3_000_000


def test_many_clients_at_once_are_served(session: Any) -> None:
    with session() as own:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(own.ask("select 7"))) for _ in range(20)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        assert found == [7] * 20


def test_faults_are_refused_because_others_may_use_the_server(session: Any) -> None:
    with session() as own:
        for fault in (own.resource.kill, own.resource.restart, own.resource.pause, own.resource.resume):
            with pytest.raises(ResourceError, match="external server"):
                fault()
        own.resource.wait_healthy(5)
        assert own.resource.death("now") == ""
        own.resource.stop()
        own.resource.stop()
        with pytest.raises(ResourceError, match="isn't started"):
            own.resource.acquire()
        own.resource.release("x")


def test_a_server_that_went_away_is_said(container: Container, session: Any) -> None:
    with session() as own:
        container.running.resource.kill()
        with pytest.raises(ResourceError, match="didn't answer"):
            own.resource.wait_healthy(0.3)
        container.running.resource.restart()
        own.resource.wait_healthy(10)
    assert container.ours() == 0


def test_a_session_that_is_silent_while_the_server_restarts_is_still_known_to_live(
    container: Container, session: Any
) -> None:
    with session() as own:
        container.running.resource.kill()
        container.running.resource.restart()
        held = "select count(*) from pg_locks where locktype = 'advisory'"
        assert container.ask(held) == 0
        assert eventually(lambda: container.ask(held) == 1, 10)
        with session(run="r-00000002"):
            time.sleep(0.3)
        assert own.ask("select 1") == 1
    assert container.ours() == 0


def test_a_server_that_goes_away_while_the_session_starts_is_said(
    container: Container, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Container.find

    def found_too_late(*given: Any, **how: Any) -> Any:
        answer = find(*given, **how)
        container.running.resource.kill()
        return answer

    monkeypatch.setattr(Container, "find", found_too_late)
    with pytest.raises(ResourceError, match=r"external: the server 127\.0\.0\.1:\d+ says: ."), session():
        pass


def test_extensions_are_there(session: Any) -> None:
    with session(extensions=("plpgsql",)) as own:
        assert own.ask("select count(*) from pg_extension where extname = 'plpgsql'") == 1


# --- what is refused ------------------------------------------------------------------------


def test_without_the_variable_the_server_is_our_own(container: Container) -> None:
    assert find_external(container.settings(), PLACE, {}) is None
    assert find_external(container.settings(), PLACE, {"CI_DATABASE_URL": ""}) is None
    assert find_external(Postgres(), PLACE, {"CI_DATABASE_URL": container.url}) is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:geheim@prod.example.com/ci_1",
        "postgresql://me:geheim@localhost/prod-ci_1",
        "postgresql://me:geheim@localhost/ci_1?host=prod.example.com",
        "postgresql://me:geheim@localhost,prod.example.com/ci_1",
        "postgresql://me:geheim@%2Fvar%2Frun/ci_1",
        "service=prod",
    ],
)
def test_a_server_that_is_not_on_the_list_is_refused_without_a_connection(url: str) -> None:
    settings = Postgres(external=External(variable="CI_URL", allow=("localhost/ci_*",)))
    with pytest.raises(ResourceError, match=r"services\.a\.postgres\.external\.") as caught:
        find_external(settings, PLACE, {"CI_URL": url})
    assert "geheim" not in str(caught.value)
    assert "CI_URL" in caught.value.message
    assert "unset" in caught.value.remedy


def test_a_server_that_does_not_do_is_refused_with_all_its_faults(container: Container) -> None:
    with pytest.raises(ResourceError, match=r'isn\'t ">=99"; it lacks nosuch, other') as caught:
        container.find(version=">=99", extensions=("nosuch", "plpgsql", "other"))
    assert container.running.lease.values["password"] not in str(caught.value)


def test_a_user_who_may_not_make_databases_is_refused(container: Container) -> None:
    limited = container.limited(rights="", password="it/s%40me")
    with pytest.raises(ResourceError, match=r"CREATEDB.*a URL can't hold") as caught:
        replace_password(limited, "it%2Fs%2540me").find()
    assert "it/s" not in str(caught.value)


def replace_password(where: Container, password: str) -> Container:
    return Container(where.running, user=where.user, password=password)


def test_a_wrong_password_and_a_closed_port_are_said_without_the_password(container: Container) -> None:
    with pytest.raises(ResourceError, match="password authentication failed") as caught:
        replace_password(container, "not-the-password").find()
    assert "not-the-password" not in str(caught.value)
    container.running.resource.kill()
    with pytest.raises(ResourceError, match="can't be used") as caught:
        container.find()
    assert container.running.lease.values["password"] not in str(caught.value)


def test_a_port_that_is_taken_is_said(session: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port} is taken"), session(fixed_port=port):
            pass


def test_a_migration_that_fails_leaves_nothing(container: Container, session: Any) -> None:
    with pytest.raises(ResourceError, match="syntax error"), session(migrate=("psql", "-c", "nonsense")):
        pass
    assert container.ours() == 0


def test_a_locale_that_the_server_does_not_have_is_said(container: Container, session: Any) -> None:
    with pytest.raises(ResourceError, match=r"postgres\.locale: .*locale"), session(locale="xx_YY"):
        pass
    assert container.ours() == 0


def test_a_proxy_is_not_available_here_either(session: Any) -> None:
    with pytest.raises(NotAvailableYetError, match="proxy"), session(via="proxy"):
        pass


# --- bad days -------------------------------------------------------------------------------


def test_databases_with_clients_go_as_well(container: Container, session: Any) -> None:
    with session() as own:
        values = own.lease.values
        busy = pg8000.native.Connection(
            user=values["user"],
            password=values["password"],
            host="127.0.0.1",
            port=container.running.lease.address.port,
            database=values["database"],
        )
        busy.run("begin")
    assert container.ours() == 0
    with contextlib.suppress(pg8000.native.InterfaceError, OSError):
        busy.close()


def test_what_a_killed_broker_leaves_is_dropped_by_the_next_run_and_a_neighbour_is_spared(
    container: Container, session: Any
) -> None:
    with session(run="r-0000000a") as neighbour:
        with session(run="r-0000000b") as lost:
            lost.resource.acquire()
            lost.broker.kill()
        left = "select count(*) from pg_database where datname like 'noxlib\\_0000000b%'"
        assert container.ask(left) >= 3
        container.ask("create database noxlib_mine")
        with session(run="r-0000000c"):
            assert eventually(lambda: container.ask(left) == 0, 20)
            assert neighbour.ask("select 1") == 1
            assert container.ask("select count(*) from pg_database where datname = 'noxlib_mine'") == 1
        container.ask("drop database noxlib_mine")
    assert container.ours() == 0


def test_a_broker_ignores_signals_and_ends_with_the_session(session: Any) -> None:
    with session() as own:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            own.broker.send_signal(number)
        time.sleep(0.1)
        assert own.ask("select 1") == 1
        assert own.server.password not in " ".join(own.broker.cmdline())
        assert own.server.password not in str(own.broker.environ())
    assert not own.broker.is_running()


def test_a_session_whose_process_is_killed_is_cleaned_up_after_at_once(
    container: Container, tmp_path: Path
) -> None:
    server, _ = container.find()
    with brokers(work(tmp_path / "r-0000000d", {"a/postgres": server})) as (own, channels):
        prefix = own.external["a/postgres"].prefix
        program = (
            "import socket, sys, time\n"
            "from noxlib.resources.external_broker import Channel\n"
            "channel = Channel(int(sys.argv[1]))\n"
            "channel.connect()\n"
            "print('up', flush=True)\n"
            "time.sleep(600)\n"
        )
        said = bytearray()
        child = launch.start(
            [sys.executable, "-c", program, str(channels[0])],
            launch.Setting(pass_fds=tuple(channels), sink=said.extend),
        )
        close(channels)
        assert eventually(lambda: b"up" in said, 20)
        container.ask(f"create database {prefix}_test")
        child.stop(grace=0.0, first=signal.SIGKILL)
        assert eventually(lambda: container.ours() == 0, 20)


def test_what_postgresql_will_not_drop_is_named_and_the_others_go(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_databases, "DROP_SECONDS", 0.2)
    server, _ = container.find()
    with postgres_sql.connected(connection_to(server)) as connection:
        for sql in (
            "CREATE ROLE noxlib_00000009_0",
            "CREATE DATABASE noxlib_00000009_0_a IS_TEMPLATE true",
            "CREATE DATABASE noxlib_00000009_0_b OWNER noxlib_00000009_0",
            "CREATE DATABASE noxlib_00000009_00_c",
            "CREATE TABLE held (id int)",
            "ALTER TABLE held OWNER TO noxlib_00000009_0",
        ):
            connection.run(sql)
        left = external_databases.remove(connection, "noxlib_00000009_0")
        assert [each.partition(":")[0] for each in left] == ["noxlib_00000009_0_a", "noxlib_00000009_0"]
        assert "template" in left[0]
        names = "SELECT count(*) FROM pg_database WHERE datname LIKE 'noxlib%9\\_00_c'"
        assert connection.run(names) == [[1]]


def test_what_can_not_be_dropped_is_said(
    container: Container, session: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with session():
        container.running.resource.kill()
    assert "not all databases could be dropped" in capsys.readouterr().out
    assert (tmp_path / "r-00000001/logs/a-postgres-external.log").read_text()


def test_the_gateway_refuses_clients_when_the_way_is_gone(box_folder: Path) -> None:
    inner, outer = socket.socketpair()
    channel = Channel(inner.detach())
    gateway = Gateway(box_folder, channel.connect)
    gateway.listen(free_port, PLACE)
    outer.close()
    with pytest.raises(OSError, match=r"gone|Broken pipe|reset"):
        channel.connect()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        assert client.recv(1) == b""
    gateway.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port))
    channel.close()


def test_names_fit_into_an_identifier_and_tell_their_run() -> None:
    prefix = external_databases.prefix("20261121T075921.123-1a2b3c4d", 12)
    assert prefix == "noxlib_1a2b3c4d_12"
    assert len(external_databases.database_name(prefix, "x" * 63)) <= 63
