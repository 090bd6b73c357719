"""Bad days of the pool: each ends with a clear message, in time, and harms nobody else."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pg8000.native
import pytest
from waiting import eventually

from noxlib import launch
from noxlib.errors import ResourceError
from noxlib.model import Lease
from noxlib.resources import postgres_pool
from noxlib.resources.postgres import PostgresOrder, PostgresResource

Start = Callable[..., Any]  # a Running, see conftest.py
Order = Callable[..., PostgresOrder]
BLOCKER = "CREATE TABLE big AS SELECT repeat(md5(i::text), 20) AS x FROM generate_series(1, 40000) i"


def open_in(lease: Lease, **how: Any) -> pg8000.native.Connection:
    values = lease.values
    given = {"user": values["user"], "password": values["password"], "database": values["database"], **how}
    return pg8000.native.Connection(host="127.0.0.1", port=lease.address.port, **given)


@contextlib.contextmanager
def connected(lease: Lease, **how: Any) -> Iterator[pg8000.native.Connection]:
    """Open a connection that the server may end first."""
    connection = open_in(lease, **how)
    try:
        yield connection
    finally:
        with contextlib.suppress(pg8000.native.InterfaceError, OSError):
            connection.close()


def is_there(server: Any, name: str) -> bool:
    return name in server.ask_socket("SELECT array_agg(datname::text) FROM pg_database")


def works(server: Any) -> bool:
    with connected(server.resource.acquire()) as connection:
        return bool(connection.run("SELECT 1") == [[1]])


def recovers(server: Any) -> bool:
    """Tell whether it works soon: a maker may still be busy with what fails."""

    def tried() -> bool:
        try:
            return works(server)
        except ResourceError:
            return False

    return eventually(tried, 2.0)


def drain(server: Any, most: int = 60) -> str:
    """Acquire until it fails; return the message."""
    with pytest.raises(ResourceError) as caught:
        [server.resource.acquire() for _ in range(most)]
    return str(caught.value)


def test_an_exhausted_pool_says_so_and_recovers(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pool, "MOST", 3)
    server = started()
    leases = [server.resource.acquire() for _ in range(3)]
    with pytest.raises(ResourceError, match=r"a\.postgres: 3 databases are in use at once") as caught:
        server.resource.acquire()
    assert "release" in caught.value.remedy
    server.resource.release(leases[0].values["database"])
    assert works(server)


def test_a_template_that_was_dropped_is_named(started: Start) -> None:
    server = started()
    lease = server.resource.acquire()
    server.ask_socket("ALTER DATABASE noxlib_template IS_TEMPLATE false")
    server.ask_socket("DROP DATABASE noxlib_template")
    begun = time.monotonic()
    text = drain(server)
    assert time.monotonic() - begun < 5.0
    assert "services.toml: services.a.postgres: no fresh database" in text
    assert '"noxlib_template" does not exist' in text
    with connected(lease) as connection:
        assert connection.run("SELECT 1") == [[1]]


def test_a_template_that_was_dropped_before_the_first_database_is_named(started: Start) -> None:
    server = started()
    server.ask_socket("ALTER DATABASE noxlib_template IS_TEMPLATE false")
    server.ask_socket("DROP DATABASE noxlib_template")
    with pytest.raises(ResourceError, match="noxlib_template is gone: a test has dropped it"):
        server.resource.acquire()


def test_no_room_is_said_before_the_disk_is_full(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started()
    real = shutil.disk_usage

    def full(path: Path) -> Any:
        return real(path)._replace(free=20 * 1024**2)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", full)
        with pytest.raises(
            ResourceError, match=r"no room for another database of \d+ MB: 20 MB are free"
        ) as caught:
            server.resource.acquire()
        assert "0 databases are in use and 0 are kept" in str(caught.value)
        assert "TMPDIR" in caught.value.remedy
    assert recovers(server)


def mount(*words: str) -> None:
    done = launch.run(words, launch.Setting(sink=lambda _chunk: None), timeout=10)
    assert done.code == 0, f"needs the right to mount a tmpfs: {done.output}"


@pytest.fixture
def small_disk(box_folder: Path) -> Iterator[Path]:
    folder = box_folder / "disk"
    folder.mkdir()
    mount("mount", "-t", "tmpfs", "-o", "size=110M,mode=1777", "none", str(folder))
    yield folder
    mount("umount", "-l", str(folder))


MAY_MOUNT = "TEST_MAY_MOUNT"


def again_where_mounts_are_allowed(node: pytest.Item) -> None:
    """Run a test in a user namespace of its own: there an ordinary user may mount."""
    words = ["unshare", "--mount", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
    words += ["--keep-caps", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node.nodeid]
    setting = launch.Setting(
        cwd=node.config.rootpath, env={**os.environ, MAY_MOUNT: "yes"}, sink=lambda _chunk: None
    )
    done = launch.run(words, setting, timeout=60)
    assert done.code == 0, done.output


@pytest.mark.parametrize("checked", [True, False], ids=["refused", "really full"])
def test_a_disk_that_fills_while_cloning(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    if os.geteuid() and MAY_MOUNT not in os.environ:
        again_where_mounts_are_allowed(request.node)
        return
    small_disk = request.getfixturevalue("small_disk")
    server = request.getfixturevalue("started")(folder=small_disk)
    lease = server.resource.acquire()
    if not checked:
        monkeypatch.setattr(postgres_pool, "ROOM_BYTES", -(1024**3))
    text = drain(server)
    assert ("no room for another database" if checked else "No space left on device") in text
    assert "Traceback" not in text
    assert server.resource.alive()
    with connected(lease) as connection:
        assert connection.run("SELECT 1") == [[1]]
    mount("mount", "-o", "remount,size=400M", str(small_disk))
    assert recovers(server)


def test_connections_that_a_test_leaves_open_are_cut_off(started: Start, trail: Any) -> None:
    server = started()
    lease = server.resource.acquire()
    name = lease.values["database"]
    with connected(lease) as one, connected(lease) as other:
        server.resource.release(name)
        assert works(server), "nobody waits for those that linger"
        assert eventually(lambda: not is_there(server, name))
        for each in (one, other):
            with pytest.raises((pg8000.native.DatabaseError, pg8000.native.InterfaceError)):
                each.run("SELECT 1")
    assert "postgres.drop_failed" not in trail.names()


def test_a_client_that_says_goodbye_in_time_is_not_cut_off(started: Start, tmp_path: Path) -> None:
    server = started()
    lease = server.resource.acquire()
    before = len((tmp_path / "server.log").read_text())
    with connected(lease) as connection:
        server.resource.release(lease.values["database"])
        time.sleep(0.1)
        assert connection.run("SELECT 1") == [[1]]
    assert eventually(lambda: not is_there(server, lease.values["database"]))
    assert "terminating connection" not in (tmp_path / "server.log").read_text()[before:]


def test_a_hanging_transaction_doesnt_keep_its_database(started: Start) -> None:
    server = started(migrate=("psql", "-qc", "CREATE TABLE t (x int)"))
    lease = server.resource.acquire()
    with connected(lease) as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        server.resource.release(lease.values["database"])
        assert eventually(lambda: not is_there(server, lease.values["database"]))


def test_a_test_that_drops_its_own_database_harms_nobody(started: Start, trail: Any) -> None:
    server = started()
    lease, neighbour = server.resource.acquire(), server.resource.acquire()
    name = lease.values["database"]
    server.ask_socket(f'DROP DATABASE "{name}"')
    server.resource.release(name)
    with connected(neighbour) as connection:
        assert connection.run("SELECT 1") == [[1]]
    server.resource.release(neighbour.values["database"])
    assert eventually(lambda: not is_there(server, neighbour.values["database"]))
    assert works(server)
    assert "postgres.drop_failed" not in trail.names()


@pytest.mark.parametrize("keep", ["never", "failed"])
def test_a_prepared_transaction_keeps_its_database_and_nothing_else(
    postgres_order: Order, trail: Any, keep: str
) -> None:
    order = postgres_order(settings={"max_prepared_transactions": "5"}, keep=keep)
    resource = PostgresResource(order)
    resource.start()
    lease, other = resource.acquire(), resource.acquire()
    name = lease.values["database"]
    with connected(lease) as connection:
        for statement in ("CREATE TABLE t ()", "BEGIN", "INSERT INTO t SELECT", "PREPARE TRANSACTION 'x'"):
            connection.run(statement)
    resource.release(name)
    patience = postgres_pool.LINGER_SECONDS + 2.0
    assert eventually(lambda: "postgres.drop_failed" in trail.names(), patience), "a maker is stuck"
    facts = dict(trail)["postgres.drop_failed"]
    assert facts["database"] == name
    assert "prepared transaction" in facts["error"]
    for _ in range(5):
        fresh = resource.acquire()
        with connected(fresh) as connection:
            assert connection.run("SELECT 1") == [[1]]
        resource.release(fresh.values["database"])
    resource.release(other.values["database"], failed=True)
    resource.stop()
    assert order.kept.exists() is (keep == "failed")
    assert trail.names()[-1] == "postgres.stopped"
    assert not resource.alive()


def test_a_server_killed_while_databases_are_made(started: Start) -> None:
    server = started(migrate=("psql", "-qc", BLOCKER))
    server.resource.acquire()
    pid = server.resource.pid
    killer = threading.Timer(0.05, os.kill, (pid, signal.SIGKILL))
    killer.start()
    begun = time.monotonic()
    text = drain(server, most=1000)
    killer.join()
    assert time.monotonic() - begun < postgres_pool.PATIENCE_SECONDS
    assert "services.toml: services.a.postgres: no fresh database" in text
    server.resource.restart()
    server.resource.wait_healthy(10.0)
    assert recovers(server)
    assert all(works(server) for _ in range(5))


def test_a_server_that_doesnt_answer_is_given_up_in_time(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "PATIENCE_SECONDS", 0.3)
    server = started()
    server.resource.pause()
    with pytest.raises(ResourceError, match=r"no fresh database within 0\.3 s"):
        server.resource.acquire()
    server.resource.resume()
    monkeypatch.setattr(postgres_pool, "PATIENCE_SECONDS", 10.0)
    assert works(server)


def test_a_stop_while_databases_are_made_is_quick_and_quiet(
    postgres_order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    before = set(threading.enumerate())
    for pause in (0.0, 0.01, 0.03, 0.06):
        resource = PostgresResource(postgres_order(migrate=("psql", "-qc", BLOCKER), migration_key="same"))
        resource.start()
        leases = [resource.acquire() for _ in range(2)]
        for each in leases:
            resource.release(each.values["database"])
        time.sleep(pause)
        begun = time.monotonic()
        resource.stop()
        assert time.monotonic() - begun < 1.5
    assert eventually(lambda: not [each for each in set(threading.enumerate()) - before if each.is_alive()])
    assert raised == []


def test_a_database_asked_for_while_the_server_stops_is_refused_at_once(postgres_order: Order) -> None:
    resource = PostgresResource(postgres_order())
    resource.start()
    resource.acquire()
    stopped = threading.Timer(0.05, resource.stop)
    stopped.start()
    begun = time.monotonic()
    with pytest.raises(ResourceError):
        [resource.acquire() for _ in range(1000)]
    assert time.monotonic() - begun < 5.0
    stopped.join()
