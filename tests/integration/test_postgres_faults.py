"""Servers that are killed, paused and started again: by noxlib, or by somebody else."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pg8000.native
import psutil
import pytest
from waiting import eventually

from noxlib.errors import ResourceError
from noxlib.resources import postgres_remains, postgres_server
from noxlib.resources.postgres import PostgresOrder, PostgresResource

Start = Callable[..., Any]  # a Running, see conftest.py


def segments(pid: int) -> set[str]:
    """Return the ids of what a process has made of SysV shared memory; it may be dead by now."""
    rows = [row.split() for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {name for _, name, _, _, creator, *_ in rows if int(creator) == pid}


def shared_memory_files(pids: set[int]) -> set[Path]:
    """Return what living processes have mapped of the files in /dev/shm that PostgreSQL makes there."""
    found = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a client's backend ends meanwhile
            found |= set(re.findall(r"/dev/shm/PostgreSQL\.\d+", Path(f"/proc/{pid}/maps").read_text()))
    return {Path(each) for each in found}


def data_folder(server: Any) -> Path:
    return Path(server.lease.address.socket_folder).parent / "data"


def processes_in(folder: Path) -> set[int]:
    found = set()
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if each.cwd() == str(folder):
                found.add(each.pid)
    return found


def busy(server: Any) -> threading.Thread:
    """Keep a backend busy that doesn't look whether its server is still there."""

    def work() -> None:
        with contextlib.suppress(Exception):
            server.ask("SELECT count(*) FROM generate_series(1, 1000000000)")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%(1, 1000000000)' AND state = 'active'"
    assert eventually(lambda: bool(server.ask(query)))
    return thread


def test_a_server_that_somebody_killed_leaves_nothing(started: Start, box_folder: Path) -> None:
    server = started()
    data, pid = data_folder(server), server.resource.pid
    thread = busy(server)
    assert segments(pid)
    files = shared_memory_files(processes_in(data))
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not server.resource.alive())
    assert processes_in(data), "the busy backend ought to survive its server"
    server.resource.stop()
    assert segments(pid) == set()
    assert [each for each in files if each.exists()] == []
    assert processes_in(data) == set()
    assert list(box_folder.iterdir()) == []
    thread.join(5.0)


def test_a_killed_server_keeps_what_was_acknowledged(started: Start, trail: Any) -> None:
    server = started()
    server.ask("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    thread = busy(server)
    pid, port = server.resource.pid, server.lease.address.port
    server.resource.kill()
    assert not server.resource.alive()
    with pytest.raises(pg8000.native.InterfaceError):
        server.ask("SELECT 1")
    server.resource.restart()
    assert server.resource.pid != pid
    assert server.lease.address.port == port
    assert server.ask("SELECT count(*) FROM t") == 1000
    assert trail.names()[-2:] == ["postgres.killed", "postgres.restarted"]
    thread.join(5.0)


def test_an_end_by_itself_is_a_death_and_one_on_request_is_none(started: Start) -> None:
    server = started()
    assert server.resource.death("now") == ""
    server.resource.kill()
    assert server.resource.death("now") == ""
    server.resource.restart()
    os.kill(server.resource.pid, signal.SIGINT)
    assert eventually(lambda: not server.resource.alive())
    text = server.resource.death("during the suite")
    assert text.startswith(f"{server.resource.name}: PostgreSQL ")
    assert " ended with exit code 0 during the suite\n" in text
    assert "database system is shut down" in text


def test_a_server_killed_by_somebody_can_be_started_again(started: Start) -> None:
    server = started()
    server.ask("CREATE TABLE t (x int)")
    thread = busy(server)
    os.kill(server.resource.pid, signal.SIGKILL)
    assert eventually(lambda: not server.resource.alive())
    server.resource.restart()
    assert server.ask("SELECT count(*) FROM t") == 0
    thread.join(5.0)


def test_a_restart_of_a_healthy_server_is_orderly(started: Start, tmp_path: Path) -> None:
    server = started(settings={"log_min_messages": "log"})
    server.ask("CREATE TABLE t (x int)")
    server.resource.restart()
    assert server.ask("SELECT count(*) FROM t") == 0
    assert "automatic recovery in progress" not in (tmp_path / "server.log").read_text()


def test_killing_one_server_doesnt_harm_its_neighbour(started: Start) -> None:
    victim, neighbour = started(), started()
    pid = neighbour.resource.pid
    victim.resource.kill()
    victim.resource.stop()
    assert neighbour.resource.pid == pid
    assert neighbour.ask("SELECT 1") == 1


def test_a_paused_server_doesnt_answer_until_it_is_resumed(started: Start, trail: Any) -> None:
    server = started()
    server.resource.pause()
    with pytest.raises(ResourceError, match=r"a/postgres didn't answer within 0\.2 s"):
        server.resource.wait_healthy(0.2)
    server.resource.resume()
    server.resource.wait_healthy(5.0)
    assert server.ask("SELECT 1") == 1
    assert trail.names()[-2:] == ["postgres.paused", "postgres.resumed"]


def test_waiting_for_a_killed_server_ends_when_it_is_back(started: Start) -> None:
    server = started()
    server.resource.kill()
    later = threading.Timer(0.2, server.resource.restart)
    later.start()
    server.resource.wait_healthy(10.0)
    later.join()
    assert server.ask("SELECT 1") == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_paused_server_can_be_ended(started: Start, end: str) -> None:
    server = started()
    data = data_folder(server)
    server.resource.pause()
    begun = time.monotonic()
    getattr(server.resource, end)()
    assert time.monotonic() - begun < 2.0
    assert processes_in(data) == set()


def test_a_server_deaf_to_its_signal_is_killed(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "STOP_SECONDS", 0.1)
    server = started()
    data, pid = data_folder(server), server.resource.pid
    # Stopped behind noxlib's back: SIGQUIT stays pending.
    os.kill(pid, signal.SIGSTOP)
    server.resource.stop()
    assert processes_in(data) == set()
    assert segments(pid) == set()


def test_a_stopped_server_cant_be_used(postgres_order: Callable[..., PostgresOrder]) -> None:
    resource = PostgresResource(postgres_order())
    for verb in (resource.kill, resource.restart, resource.pause, resource.resume):
        with pytest.raises(ResourceError, match="a/postgres isn't started"):
            verb()


def test_pausing_a_dead_server_is_no_error(started: Start) -> None:
    server = started()
    server.resource.kill()
    server.resource.pause()
    server.resource.resume()
    assert not server.resource.alive()


def test_a_folder_without_a_server_has_no_remains(started: Start, tmp_path: Path) -> None:
    neighbour = started().resource.pid
    data = tmp_path / "data"
    data.mkdir()
    postgres_remains.remove(data)
    (data / "postmaster.pid").write_text("1\n2\n3\n4\n5\n6\n\nready\n")
    postgres_remains.remove(data)
    assert list(data.iterdir()) == []
    assert segments(neighbour)


def test_a_foreign_segment_with_the_same_id_is_left_alone(started: Start, tmp_path: Path) -> None:
    server = started()
    lines = (data_folder(server) / "postmaster.pid").read_text().splitlines()
    key, segment = map(int, lines[6].split())
    lines[6] = f"{key + 1} {segment}"
    (tmp_path / "postmaster.pid").write_text("\n".join(lines))
    postgres_remains.remove(tmp_path)
    assert str(segment) in segments(server.resource.pid)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"settings": {"jit": "off", "max_conections": "50"}},
            r"^services.toml: services\.a\.postgres\.settings\.max_conections: PostgreSQL \S+ has no such setting(?s:.*)did you mean max_connections\?",
        ),
        (
            {"settings": {"jit": "off", "shared_buffers": "lots"}},
            r'settings\.shared_buffers: PostgreSQL refuses "lots"(?s:.*)to fix it: correct the value',
        ),
        (
            {"settings": {"max_connections": "5", "superuser_reserved_connections": "9"}},
            r'settings\.superuser_reserved_connections: PostgreSQL refuses "9"',
        ),
        (
            {"locale": "xx_YY"},
            r'postgres\.locale: "xx_YY" is no locale of this machine for UTF-8(?s:.*)to fix it: name one',
        ),
    ],
)
@pytest.mark.parametrize("migrated", [False, True])
def test_a_setting_that_the_server_refuses_is_named_by_its_key(
    started: Start, given: dict[str, Any], said: str, *, migrated: bool
) -> None:
    with pytest.raises(ResourceError) as caught:
        started(**given, **({"migrate": ("true",)} if migrated else {}))
    assert re.search(said, str(caught.value)), str(caught.value)
    assert str(caught.value).count("services.toml") == 1
