"""A server that isn't ours on bad days: it goes away, or a session dies before it could clean up."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pg8000.native
import pytest
from external_sessions import PLACE, Container, work
from waiting import eventually

from noxlib import launch
from noxlib.box import free_port
from noxlib.errors import ResourceError
from noxlib.resources import external_databases, postgres_sql
from noxlib.resources.external_broker import Channel, brokers, close
from noxlib.resources.external_gateway import Gateway
from noxlib.resources.external_server import connection_to


def test_faults_are_refused_because_others_may_use_the_server(external_session: Any) -> None:
    with external_session() as own:
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


def test_a_server_that_went_away_is_said(container: Container, external_session: Any) -> None:
    with external_session() as own:
        container.running.resource.kill()
        with pytest.raises(ResourceError, match="didn't answer"):
            own.resource.wait_healthy(0.3)
        container.running.resource.restart()
        own.resource.wait_healthy(10)
    assert container.ours() == 0


def test_a_session_that_is_silent_while_the_server_restarts_is_still_known_to_live(
    container: Container, external_session: Any
) -> None:
    with external_session() as own:
        container.running.resource.kill()
        container.running.resource.restart()
        held = "select count(*) from pg_locks where locktype = 'advisory'"
        assert container.ask(held) == 0
        assert eventually(lambda: container.ask(held) == 1, 10)
        with external_session(run="r-00000002"):
            time.sleep(0.3)
        assert own.ask("select 1") == 1
    assert container.ours() == 0


def test_a_server_that_goes_away_while_the_session_starts_is_said(
    container: Container, external_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Container.find

    def found_too_late(*given: Any, **how: Any) -> Any:
        answer = find(*given, **how)
        container.running.resource.kill()
        return answer

    monkeypatch.setattr(Container, "find", found_too_late)
    with (
        pytest.raises(ResourceError, match=r"external: the server 127\.0\.0\.1:\d+ says: ."),
        external_session(),
    ):
        pass


def test_databases_with_clients_go_as_well(container: Container, external_session: Any) -> None:
    with external_session() as own:
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
    container: Container, external_session: Any
) -> None:
    with external_session(run="r-0000000a") as neighbour:
        with external_session(run="r-0000000b") as lost:
            lost.resource.acquire()
            lost.broker.kill()
        left = "select count(*) from pg_database where datname like 'noxlib\\_0000000b%'"
        assert container.ask(left) >= 3
        container.ask("create database noxlib_mine")
        with external_session(run="r-0000000c"):
            assert eventually(lambda: container.ask(left) == 0, 20)
            assert neighbour.ask("select 1") == 1
            assert container.ask("select count(*) from pg_database where datname = 'noxlib_mine'") == 1
        container.ask("drop database noxlib_mine")
    assert container.ours() == 0


def test_a_broker_ignores_signals_and_ends_with_the_session(external_session: Any) -> None:
    with external_session() as own:
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
    container: Container, external_session: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with external_session():
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
