from __future__ import annotations

import contextlib
import os
import pwd
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pg8000.native
import psutil
import pytest

from noxlib.box import free_port
from noxlib.errors import NotAvailableYetError, ResourceError
from noxlib.resources import postgres_server
from noxlib.resources.postgres import PostgresOrder, PostgresResource, server_credentials

Order = Callable[..., PostgresOrder]
Start = Callable[..., Any]  # a Running, see conftest.py


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
        yield


def as_plain_user(work: Callable[[], None]) -> None:
    """Run `work` as an ordinary user: here when we are one, else in a child that gives root up."""
    credentials = server_credentials()
    if credentials is None:
        work()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 3.12 on: fork beside threads, which this child doesn't use
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(credentials.gid)
            os.setuid(credentials.uid)
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_server_answers_over_tcp_and_over_its_socket(started: Start) -> None:
    server = started(env={"DATABASE_URL": "postgresql://{user}:{password}@{host}:{port}/{database}"})
    assert server.ask("SELECT current_database()") == "test"
    assert server.ask_socket("SELECT 41 + 1") == 42
    port = server.lease.address.port
    assert server.lease.env == {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "postgres",
        "PGPASSWORD": "postgres",
        "PGDATABASE": "test",
        "DATABASE_URL": f"postgresql://postgres:postgres@127.0.0.1:{port}/test",
    }
    lease = server.lease
    assert (lease.resource, lease.kind, lease.via, lease.secrets) == ("a/postgres", "postgres", "direct", ())


def test_a_further_server_leaves_libpqs_variables_to_the_first(started: Start) -> None:
    server = started(name="postgres.audit", env={"AUDIT_PORT": "{port}"})
    assert server.lease.env == {"AUDIT_PORT": str(server.lease.address.port)}


def test_the_server_is_nobodys_root(started: Start) -> None:
    server = started()
    assert 0 not in psutil.Process(server.resource.pid).uids()


def test_an_ordinary_user_gets_a_server(box_folder: Path, postgres_order: Order) -> None:
    own = box_folder / "own"
    own.mkdir(mode=0o777)
    own.chmod(0o777)
    order = postgres_order(folder=own, cache=own / "cache", log=own / "log", service_folder=own)

    def work() -> None:
        resource = PostgresResource(replace(order, credentials=server_credentials()))
        resource.start()
        resource.wait_healthy(5.0)
        resource.stop()

    as_plain_user(work)
    assert {path.name for path in own.iterdir()} == {"cache", "log"}


def test_two_servers_run_side_by_side(started: Start) -> None:
    one, other = started(), started()
    one.ask("CREATE TABLE t (x int)")
    assert one.lease.address.port != other.lease.address.port
    assert other.ask("SELECT to_regclass('t')") is None


def test_a_taken_port_is_named_and_its_owner_left_alone(started: Start) -> None:
    neighbour = started()
    with pytest.raises(ResourceError, match=rf"port {neighbour.lease.address.port} is taken") as caught:
        started(port=neighbour.lease.address.port)
    assert "services.toml: services.a.postgres" in str(caught.value)
    assert "leave `port` out" in caught.value.remedy
    assert neighbour.ask("SELECT 1") == 1


def test_a_lost_race_for_a_port_is_run_again_with_another(started: Start) -> None:
    taken = free_port()
    # As many as asked for: a template that isn't there yet takes some, and so may others on this machine.
    offered = chain([taken], iter(free_port, None))
    with listening(taken):
        server = started(private_network=False, reserve=lambda: next(offered))
    assert server.lease.address.port != taken
    assert server.ask("SELECT 1") == 1
    assert server.resource.alive()


def test_a_fixed_port_is_kept_in_a_shared_network(started: Start) -> None:
    port = free_port()
    server = started(private_network=False, fixed_port=port)
    assert server.lease.address.port == port
    with pytest.raises(ResourceError, match=f"port {port} is taken"):
        started(private_network=False, fixed_port=port)


@pytest.mark.parametrize("auth", ["auto", "scram-sha-256"])
def test_on_a_shared_machine_tcp_wants_the_password(started: Start, auth: str, tmp_path: Path) -> None:
    server = started(private_network=False, auth=auth, settings={"log_statement": "all"})
    (password,) = server.lease.secrets
    assert server.ask("SELECT 1") == 1
    for wrong in ("", "postgres"):
        with pytest.raises(pg8000.native.Error):
            server.ask("SELECT 1", password=wrong)
    assert server.ask_socket("SELECT rolpassword FROM pg_authid WHERE rolcanlogin").startswith(
        "SCRAM-SHA-256$"
    )
    assert password not in (tmp_path / "server.log").read_text()
    commands = " ".join(
        word for each in psutil.process_iter(["cmdline"]) for word in each.info["cmdline"] or ()
    )
    assert password not in commands


def test_trust_can_be_asked_for_on_a_shared_machine(started: Start) -> None:
    server = started(private_network=False, auth="trust")
    assert server.ask("SELECT 1", password=None) == 1


def test_the_socket_lies_in_a_private_folder(started: Start) -> None:
    server = started()
    assert Path(server.lease.address.socket_folder).parent.stat().st_mode & 0o777 == 0o700


PATHS = """"$user", "it's", "a b", public"""


def test_a_setting_may_hold_spaces_and_quotes(started: Start) -> None:
    server = started(settings={"search_path": PATHS, "max_connections": "23"})
    assert server.ask("SHOW search_path") == PATHS
    assert server.ask("SHOW max_connections") == "23"


def test_an_empty_locale_variable_still_gives_utf_8(
    started: Start, monkeypatch: pytest.MonkeyPatch, box_folder: Path
) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.setenv(name, "")
    server = started(cache=box_folder / "fresh")
    assert server.ask("SHOW server_encoding") == "UTF8"
    assert server.ask("SELECT U&'\\00e9'") == "é"


def test_a_role_owns_its_database_without_superuser_rights(started: Start) -> None:
    server = started(
        role="app",
        database="ledger db",
        extensions=("pg_trgm",),
        init_sql=(
            "CREATE SCHEMA extra AUTHORIZATION app; CREATE TABLE extra.t (x int)",
            "INSERT INTO extra.t VALUES (7)",
        ),
    )
    assert server.ask("SELECT current_user || '@' || current_database()") == "app@ledger db"
    assert server.ask("SELECT rolsuper FROM pg_roles WHERE rolname = 'app'") is False
    assert server.ask("SELECT similarity('a', 'a')") == 1.0
    assert server.ask_socket("SELECT x FROM extra.t") == 7
    server.ask("CREATE TABLE mine (x int)")


def test_a_throw_away_server_saves_its_effort(started: Start) -> None:
    server = started()
    for name in ("fsync", "full_page_writes", "autovacuum"):
        assert server.ask(f"SHOW {name}") == "off"


def test_a_failed_start_keeps_its_log_and_nothing_else(
    postgres_order: Order, box_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ResourceError, match="nonsense") as caught:
        PostgresResource(postgres_order(settings={"nonsense": "1"})).start()
    assert "unrecognized configuration parameter" in (tmp_path / "server.log").read_text()
    assert f"log: {tmp_path / 'server.log'}" in str(caught.value)
    assert list(box_folder.iterdir()) == []


@pytest.mark.parametrize("key", ["port", "listen_addresses", "hba_file"])
def test_a_setting_that_noxlib_decides_is_refused(postgres_order: Order, key: str) -> None:
    with pytest.raises(ResourceError, match=rf"postgres\.settings\.{key}: noxlib sets it itself"):
        PostgresResource(postgres_order(settings={key: "1"})).start()


def test_an_unknown_auth_is_refused(postgres_order: Order) -> None:
    with pytest.raises(ResourceError, match=r'auth: unknown "ident"\. One of: auto, trust'):
        PostgresResource(postgres_order(auth="ident"))


@pytest.mark.parametrize(("key", "value"), [("via", "proxy")])
def test_what_comes_later_says_so(postgres_order: Order, key: str, value: str) -> None:
    with pytest.raises(NotAvailableYetError, match=f'{key} = "{value}" is not available yet'):
        PostgresResource(postgres_order(**{key: value})).start()


def test_a_folder_too_deep_for_a_socket_is_named(postgres_order: Order, box_folder: Path) -> None:
    deep = box_folder / ("x" * 90)
    deep.mkdir(mode=0o711)
    with pytest.raises(ResourceError, match="longer than 103 bytes") as caught:
        PostgresResource(postgres_order(folder=deep)).start()
    assert "TMPDIR" in caught.value.remedy
    assert list(deep.iterdir()) == []


def test_a_locale_that_the_machine_lacks_is_an_error_with_initdbs_words(postgres_order: Order) -> None:
    with pytest.raises(ResourceError, match="invalid locale name"):
        PostgresResource(postgres_order(locale="xx_XX")).start()


def test_a_user_without_a_name_is_told_what_initdb_wants(
    postgres_order: Order, box_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ResourceError, match="wants a user with a name") as caught:
        PostgresResource(postgres_order(cache=box_folder / "fresh")).start()
    assert "/etc/passwd" in caught.value.remedy


def test_a_stop_takes_no_tenth_of_a_second_and_removes_all(postgres_order: Order, box_folder: Path) -> None:
    seconds = []
    for _ in range(3):
        resource = PostgresResource(postgres_order())
        resource.start()
        begun = time.perf_counter()
        resource.stop()
        seconds.append(time.perf_counter() - begun)
        assert not resource.alive()
    assert min(seconds) < 0.060
    assert list(box_folder.iterdir()) == []


def test_a_second_stop_is_no_news(started: Start, trail: Any) -> None:
    server = started()
    server.resource.stop()
    server.resource.stop()
    assert trail.names().count("postgres.stopped") == 1


def test_the_trail_tells_what_was_started(started: Start, trail: Any) -> None:
    server = started()
    server.resource.wait_healthy(5.0)
    facts = dict(trail)
    assert facts["postgres.started"] == {"resource": "a/postgres", "pid": server.resource.pid}
    assert trail.names()[-1] == "postgres.ready"


def test_a_forked_child_leaves_its_parents_server_alone(started: Start) -> None:
    server = started()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in as_plain_user
        pid = os.fork()
    if pid == 0:
        try:
            server.resource.stop()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert server.ask("SELECT 1") == 1
    assert Path(server.lease.address.socket_folder).exists()


def test_a_server_that_never_gets_ready_is_given_up(
    postgres_order: Order, monkeypatch: pytest.MonkeyPatch, box_folder: Path
) -> None:
    monkeypatch.setattr(postgres_server, "BOOT_SECONDS", 0.0)
    with pytest.raises(ResourceError, match="wasn't ready within 0 s"):
        PostgresResource(postgres_order()).start()
    assert list(box_folder.iterdir()) == []


def test_the_engine_speaks_of_its_socket(postgres_order: Order, box_folder: Path) -> None:
    order = postgres_server.ServerOrder(
        binaries=postgres_order().binaries, folder=box_folder / "s", log=box_folder / "log"
    )
    server = postgres_server.Server(order)
    assert server.url() == f"postgresql://postgres@/postgres?host={box_folder / 's' / 'tmp'}&port=5432"
    assert server.dsn()["unix_sock"] == str(box_folder / "s" / "tmp" / ".s.PGSQL.5432")
