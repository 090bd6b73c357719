"""PostgreSQL servers on tmpfs, as a session has them, and what is measured on them."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import psutil

from noxlib import box, launch, protocol
from noxlib.files import cache_folder
from noxlib.model import Postgres
from noxlib.resources import postgres_sql
from noxlib.resources.binaries import find_binaries
from noxlib.resources.control import ControlServer
from noxlib.resources.postgres import PostgresResource
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_user import server_credentials

SUPERUSER = "postgres"
PEERS_TEMPLATE = "peers_template"
TABLES = 20
EMPTY_MB = 8.6  # what such a schema weighs without rows
ROW_BYTES = 120  # with its share of two indexes
PAUSE = 0.05  # the test itself; not counted

PEER = """
import os, sys, time
import testing.postgresql

user, group = map(int, sys.argv[3:5])
if os.geteuid() == 0:
    # After the imports: an interpreter below root's home is out of the user's reach.
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
make = testing.postgresql.Postgresql
settings = dict(initdb=sys.argv[1] + "/initdb", postgres=sys.argv[1] + "/postgres")
if sys.argv[2] == "cached":
    make = testing.postgresql.PostgresqlFactory(cache_initialized_db=True, **settings)
    settings = {}
begun = time.perf_counter()
server = make(**settings)
ready = time.perf_counter()
server.stop()
print("seconds", ready - begun, time.perf_counter() - ready)
if sys.argv[2] == "cached":
    make.clear_cache()
"""


def schema(megabytes: float) -> str:
    """Return the SQL of 20 tables of four columns with two indexes each, filled to about that size."""
    rows = round(max(0.0, megabytes - EMPTY_MB) * 1e6 / TABLES / ROW_BYTES)
    columns = "id serial PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now(), note text"
    return "".join(
        f"CREATE TABLE t{n} ({columns}); CREATE INDEX ON t{n} (name);"
        f"INSERT INTO t{n} (name) SELECT md5(i::text) FROM generate_series(1, {rows}) i;"
        for n in range(TABLES)
    )


def migrated(megabytes: float) -> Postgres:
    """Return the settings of a server whose template has that schema."""
    return Postgres(migrate=("psql", "-qc", schema(megabytes)))


@contextlib.contextmanager
def memory_folder() -> Iterator[Path]:
    """Make a folder on tmpfs that the servers' unprivileged user may enter."""
    with tempfile.TemporaryDirectory(dir=box.SHM) as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def server(folder: Path, settings: Postgres, port: int) -> PostgresResource:
    """Return a server, not yet started; its cluster and its migrated template are cached in the folder."""
    key = hashlib.sha256(repr(settings.migrate).encode()).hexdigest() if settings.migrate else ""
    return PostgresResource(
        PostgresOrder(
            owner="a",
            settings=settings,
            binaries=find_binaries(settings, "performance", cache_folder(), print),
            folder=folder,
            cache=folder / "cache",
            private_network=True,
            credentials=server_credentials(),
            log=folder / "server.log",
            kept=folder / "kept.tar",
            migration_key=key,
            service_folder=folder,
            environment=os.environ,
            port=port,
            reserve=box.free_port,
            event=lambda *_words, **_fields: None,
        )
    )


def timed(resource: PostgresResource) -> tuple[float, float]:
    """Return the seconds until a server is ready, and until it is stopped."""
    begun = time.perf_counter()
    resource.start()
    ready = time.perf_counter()
    resource.stop()
    return ready - begun, time.perf_counter() - ready


def peers_server(folder: Path, how: str) -> tuple[float, float]:
    """Return the same of testing.postgresql by itself, on the same binaries, in the same folder."""
    script = folder / "peer.py"
    script.write_text(PEER, encoding="utf-8")
    binaries = find_binaries(Postgres(), "performance", cache_folder(), print)
    credentials = server_credentials()
    user = (credentials.uid, credentials.gid) if credentials else (os.getuid(), os.getgid())
    done = launch.run(
        [sys.executable, str(script), binaries.bin_dir, how, *map(str, user)],
        launch.Setting(
            env={**os.environ, "TMPDIR": str(folder), "LANG": "C"}, cwd=folder, sink=lambda _chunk: None
        ),
        timeout=60,
    )
    assert done.code == 0, done.output
    start, stop = done.output.rpartition("seconds ")[2].split()[:2]
    return float(start), float(stop)


SESSION = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(":")
import servers
folder = Path(sys.argv[1])
resource = servers.server(folder, servers.migrated(0), int(sys.argv[2]))
resource.start()
print("ready", resource.pid, flush=True)
sys.stdin.read()
resource.stop()
"""


def at_once(folder: Path, count: int) -> tuple[float, float]:
    """Start that many sessions' servers, each by a process of its own, as supervisors do.

    Returns the seconds until the last is ready, and the MB of memory and tmpfs that each costs.
    """
    free = shutil.disk_usage(folder).free
    said: list[list[bytes]] = [[] for _ in range(count)]
    paths = ":".join(path for path in sys.path if path)
    begun = time.perf_counter()
    children = [
        launch.start(
            [sys.executable, "-c", SESSION, str(folder), str(port), paths],
            launch.Setting(sink=heard.append, stdin=launch.PIPE, cwd=folder),
        )
        for heard, port in zip(said, _free_ports(count), strict=True)
    ]
    try:
        while not all(b"\n" in b"".join(heard) for heard in said):
            assert time.perf_counter() - begun < 60, said
            time.sleep(0.01)
        seconds = time.perf_counter() - begun
        pids = [int(b"".join(heard).split()[1]) for heard in said]
        assert len(set(pids)) == count
        memory = sum(_own_memory(pid) for pid in pids) + free - shutil.disk_usage(folder).free
    finally:
        for child in children:
            child.stdin.close()
        codes = [child.wait(30) for child in children]
    assert codes == [0] * count, said
    return seconds, memory / count / 1e6


def _free_ports(count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(box.free_port())
    return sorted(found)


def _own_memory(pid: int) -> int:
    """Return the bytes of a server's processes; what they share is counted once."""
    server = psutil.Process(pid)
    return sum(each.memory_full_info().pss for each in (server, *server.children(recursive=True)))


@dataclass(frozen=True)
class Bench:
    """A running server with its control socket, and a way to a fresh database for us and for the peer."""

    control: str
    token: str
    port: int

    @cached_property
    def client(self) -> protocol.Client:
        """Our way in; each process has its own."""
        return protocol.Client(self.control, self.token)

    def ours(self, pause: float = PAUSE) -> float:
        """Return the seconds of set-up, first connection, a write and tear-down of a test of ours."""
        import psycopg  # noqa: PLC0415  a peer's dependency

        begun = time.perf_counter()
        values = self.client.call("database.acquire", {"resource": "a/postgres"})["values"]
        words = {"dbname": "database", "user": "user", "host": "host", "port": "port", "password": "password"}
        connection = psycopg.connect(**{word: values[key] for word, key in words.items()})
        spent = _use(connection, pause)
        connection.close()
        self.client.post("database.release", {"resource": "a/postgres", "database": values["database"]})
        return time.perf_counter() - begun - spent

    def peer(self, pause: float = PAUSE, database: str = "peer") -> float:
        """Return the same of pytest-postgresql: what its `postgresql` fixture does, on the same server."""
        import psycopg  # noqa: PLC0415
        from pytest_postgresql.janitor import DatabaseJanitor  # noqa: PLC0415

        begun = time.perf_counter()
        where: dict[str, Any] = {"user": SUPERUSER, "host": "127.0.0.1", "port": self.port, "password": "x"}
        janitor = DatabaseJanitor(dbname=database, template_dbname=PEERS_TEMPLATE, **where)
        janitor.drop()
        with janitor:
            connection = psycopg.connect(dbname=database, **where)
            spent = _use(connection, pause)
            connection.close()
        return time.perf_counter() - begun - spent

    def use(self, whose: str, database: str) -> float:
        """Take a fresh database, and do nothing else with it."""
        return self.ours(0.0) if whose == "ours" else self.peer(0.0, database)

    def clone(self) -> float:
        """Return the seconds that a copy of the template takes, without a pool."""
        where = {"host": "127.0.0.1", "port": self.port, "user": SUPERUSER, "database": SUPERUSER}
        with postgres_sql.connected({**where, "password": "x"}) as connection:
            begun = time.perf_counter()
            postgres_sql.clone_database(connection, "noxlib_template", "measured", SUPERUSER)
            seconds = time.perf_counter() - begun
            postgres_sql.drop_database(connection, "measured", force=True)
            return seconds

    def flat_out(self, whose: str, seconds: float) -> float:
        """Return the databases per second of two workers that do nothing else."""
        context = multiprocessing.get_context("spawn")
        ready, counts = context.Barrier(2), context.Queue()
        workers = [
            context.Process(target=_work, args=(use, seconds, ready, counts))
            for use in (partial(replace(self).use, whose, f"peer{n}") for n in range(2))
        ]
        for worker in workers:
            worker.start()
        total = sum(int(counts.get(timeout=60 + seconds)) for _ in workers)
        for worker in workers:
            worker.join()
        return total / seconds


def _work(use: Callable[[], float], seconds: float, ready: Any, counts: Any) -> None:
    use()
    ready.wait()
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        use()
        count += 1
    counts.put(count)


@contextlib.contextmanager
def bench(megabytes: float, isolation: str = "clone") -> Iterator[Bench]:
    """Run a server with a template of about that size, and the peer's copy of the template."""
    role = SUPERUSER if isolation == "clone" else "app"
    settings = replace(migrated(megabytes), isolation=isolation, role=role)
    with memory_folder() as folder:
        port = box.free_port()
        resource = server(folder, settings, port)
        resource.start()
        try:
            with ControlServer(
                folder / "control", lambda: {"a/postgres": resource}, lambda *_words, **_fields: None
            ) as control:
                made = Bench(str(control.server_address), control.token, port)
                _copy_template(port)
                mine = [made.ours(0.0) for _ in range(3)]  # the template is prepared at the first
                assert mine
                yield made
                made.client.close()
        finally:
            resource.stop()


def _copy_template(port: int) -> None:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(
        dbname=SUPERUSER, user=SUPERUSER, host="127.0.0.1", port=port, autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {PEERS_TEMPLATE} TEMPLATE noxlib_template")


def _use(connection: Any, pause: float) -> float:
    """Write a row, and sleep as the test; return the seconds slept."""
    connection.execute("INSERT INTO t1 (name) VALUES ('x')")
    connection.commit()
    begun = time.perf_counter()
    if pause:
        time.sleep(pause)
    return time.perf_counter() - begun
