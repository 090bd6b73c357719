"""Redis servers that fail to start, die, are killed or paused."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
from conftest import Trail
from redis_client import MakeRedis, ask, client

from noxlib.errors import NoxlibError, ResourceError
from noxlib.model import Binaries


@pytest.mark.parametrize("mute", [True, False])
def test_a_taken_port_is_said_and_the_other_server_is_not_ours(make_redis: MakeRedis, mute: bool) -> None:
    if mute:
        other = socket.create_server(("127.0.0.1", 0))
        port = other.getsockname()[1]
    else:
        port = make_redis(owner="b").start().address.port
    server = make_redis(fixed_port=port)
    with pytest.raises(ResourceError, match=f"services.a.redis: port {port} is taken") as caught:
        server.start()
    assert "Address already in use" in caught.value.message
    assert "end what listens there" in caught.value.remedy
    assert not server.alive()
    if mute:
        other.close()


def test_a_server_that_ends_while_starting_shows_its_last_lines(
    make_redis: MakeRedis, tmp_path: Path, redis_binaries: Binaries
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
        make_redis(binaries=broken).start()
    assert "log: " in str(caught.value)


def test_a_killed_server_comes_back_empty_on_its_port(make_redis: MakeRedis, trail: Trail) -> None:
    server = make_redis(private_network=False)
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


def test_a_server_that_was_never_started_has_nothing_to_be_told(make_redis: MakeRedis) -> None:
    for verb in ("kill", "restart", "pause", "resume"):
        with pytest.raises(ResourceError, match="a/redis isn't running"):
            getattr(make_redis(), verb)()


def test_a_server_that_dies_is_not_brought_back(make_redis: MakeRedis, trail: Trail) -> None:
    server = make_redis()
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


def test_a_paused_server_holds_its_connections(make_redis: MakeRedis) -> None:
    server = make_redis()
    lease = server.start()
    with client(lease) as connection:
        server.pause()
        with pytest.raises(ResourceError, match=r"didn't answer within 0\.2 s"):
            server.wait_healthy(0.2)
        threading.Timer(0.1, server.resume).start()
        assert connection.call("PING") == "PONG"
    server.wait_healthy(1)


def test_a_paused_server_is_stopped_all_the_same(make_redis: MakeRedis) -> None:
    server = make_redis()
    server.start()
    server.pause()
    server.stop()
    assert not server.alive()


def test_a_changed_password_keeps_nobody_from_stopping_it(make_redis: MakeRedis) -> None:
    server = make_redis()
    lease = server.start()
    pid = server.pid or 0
    ask(lease, "CONFIG", "SET", "requirepass", "mine")
    server.stop()
    assert not psutil.pid_exists(pid)


def test_clients_that_stay_keep_nobody_from_stopping_it(make_redis: MakeRedis) -> None:
    server = make_redis()
    with client(server.start()):
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 0.5


def test_what_runs_a_server_hears_of_one_that_cant_be_started(make_redis: MakeRedis, tmp_path: Path) -> None:
    gone = Binaries(bin_dir=str(tmp_path / "none"), version="1", origin="bin_dir", program="redis-server")
    with pytest.raises(NoxlibError, match="could not be started"):
        make_redis(binaries=gone).start()
