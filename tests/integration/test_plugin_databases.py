"""Fresh databases as a service's tests see them: pytest, xdist, a real server, the control socket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from plugin_suite import Ended, Suite
from waiting import eventually

from noxlib import launch
from noxlib.model import Address, Lease
from noxlib.pytest_plugin.databases import Database
from noxlib.resources.control import ControlServer
from noxlib.resources.postgres_pool import AHEAD

Start = Callable[..., Any]  # a Running, see conftest.py

MIGRATE = ("psql", "-qc", "CREATE TABLE t (id serial, word text)")
PREAMBLE = """
import json, os, pathlib, subprocess
import pytest

def ask(where, sql, **env):
    done = subprocess.run(["psql", "-XAt", *where, "-c", sql], capture_output=True, text=True, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

def note(file, **facts):
    pathlib.Path("notes").mkdir(exist_ok=True)
    pathlib.Path("notes", file).write_text(json.dumps(facts))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One suite, one session with servers."""

    suite: Suite
    server: ControlServer
    leases: list[Lease]
    running: dict[str, Any]

    def run(self, text: str, *words: str, kind: str = "integration", **more: Any) -> Ended:
        env = {key: value for lease in self.leases for key, value in lease.env.items()}
        return self.suite.run(
            kind,
            PREAMBLE + text,
            *words,
            env=env,
            **{
                "control": str(self.server.server_address),
                "token": self.server.token,
                "leases": tuple(self.leases),
                **more,
            },
        )

    def databases(self, name: str = "postgres") -> set[str]:
        sql = "SELECT array_agg(datname::text) FROM pg_database WHERE NOT datistemplate"
        return set(self.running[f"a/{name}"].ask_socket(sql)) - {"postgres", "test"}

    def notes(self) -> dict[str, dict[str, Any]]:
        return {path.name: json.loads(path.read_text()) for path in (self.suite.folder / "notes").iterdir()}


@pytest.fixture
def session(suite: Suite, started: Start, box_folder: Path, trail: Any) -> Iterator[Callable[..., Session]]:
    servers: list[ControlServer] = []
    running: dict[str, Any] = {}

    def make(*names: str, **settings: Any) -> Session:
        for name in names or ("postgres",):
            running[f"a/{name}"] = started(**{"name": name, "migrate": MIGRATE, **settings})
        resources = {name: each.resource for name, each in running.items()}
        server = ControlServer(box_folder / "control", lambda: resources, trail)
        servers.append(server.__enter__())
        return Session(
            suite=suite, server=server, leases=[each.lease for each in running.values()], running=running
        )

    yield make
    for server in servers:
        server.__exit__(None, None, None)


FRESH = """
@pytest.mark.parametrize("number", range(4))
def test_fresh(noxlib_database, number):
    assert ask([noxlib_database.dsn], "INSERT INTO t (word) VALUES ('x') RETURNING id").splitlines()[0] == "1"
    assert ask([noxlib_database.url()], "SELECT current_database(), count(*) FROM t") == f"{noxlib_database.name}|1"
    assert ask([], "SELECT count(*) FROM t", **noxlib_database.env) == "1"
    note(f"test-{number}", name=noxlib_database.name, own=os.environ["PGDATABASE"])
"""


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_each_test_gets_a_fresh_database(session: Callable[..., Session], words: tuple[str, ...]) -> None:
    made = session(private_network=False)
    ended = made.run(FRESH, *words)
    assert ended.code == 0, ended.output
    notes = made.notes().values()
    names = {each["name"] for each in notes}
    assert len(names) == 4
    assert not names & {each["own"] for each in notes} | {"test"} & names
    most = AHEAD + 4  # ready: as many as were in use at once (two workers' own, two tests'), and some
    assert eventually(lambda: not made.databases() & names and len(made.databases()) <= most)


AT_IMPORT = """
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
note(WORKER, name=os.environ["PGDATABASE"], url=os.environ["URL"], conftest=os.environ["SEEN"])

@pytest.mark.parametrize("number", range(6))
def test_own(number, noxlib_leases):
    assert noxlib_leases["a/postgres"].env["PGDATABASE"] == os.environ["PGDATABASE"]
    ask([], f"INSERT INTO t (word) VALUES ('{WORKER}')")
    assert set(ask([], "SELECT word FROM t").split()) == {WORKER}
"""
CONFTEST = "import os\nos.environ['SEEN'] = os.environ['PGDATABASE']\n"
URL = {"URL": "postgresql+psycopg://{user}@{host}:{port}/{database}"}


def test_each_worker_has_its_own_before_it_imports_a_test(session: Callable[..., Session]) -> None:
    made = session(env=URL)
    (made.suite.folder / "tests/conftest.py").write_text(CONFTEST)
    ended = made.run(AT_IMPORT, "-n", "2")
    assert ended.code == 0, ended.output
    notes = made.notes()
    assert set(notes) == {"gw0", "gw1"}
    names = {each["name"] for each in notes.values()}
    assert len(names - {"test"}) == 2
    for each in notes.values():
        assert each["conftest"] == each["name"] == each["url"].rpartition("/")[2]
    assert eventually(lambda: not made.databases() & names), "a worker that ends gives its own back"


def test_without_workers_the_sessions_own_database_is_used(session: Callable[..., Session]) -> None:
    made = session(env=URL)
    (made.suite.folder / "tests/conftest.py").write_text(CONFTEST)
    ended = made.run(AT_IMPORT)
    assert ended.code == 0, ended.output
    assert [each["name"] for each in made.notes().values()] == ["test"]
    assert made.databases() == set(), "nobody has asked for a fresh one"


def test_workers_share_the_database_of_a_running_service(session: Callable[..., Session]) -> None:
    made = session()
    made.leases.append(Lease(resource="a/process", kind="process", address=Address(port=1)))
    ended = made.run(
        "note(os.environ['PYTEST_XDIST_WORKER'], name=os.environ['PGDATABASE'])\ndef test_it(): pass",
        "-n",
        "2",
    )
    assert ended.code == 0, ended.output
    assert [each["name"] for each in made.notes().values()] == ["test", "test"]


def test_a_further_server_is_asked_by_its_name(session: Callable[..., Session]) -> None:
    made = session("postgres", "postgres.audit")
    text = """
def test_both(noxlib_databases):
    one, other, audit = noxlib_databases(), noxlib_databases(), noxlib_databases("audit")
    assert len({(each.values["port"], each.name) for each in (one, other, audit)}) == 3
    assert audit.lease.resource == "a/postgres.audit"
    for each in (one, other, audit):
        assert ask([each.dsn], "SELECT count(*) FROM t") == "0"
def test_none(noxlib_databases):
    noxlib_databases("adit")
"""
    ended = made.run(text, "-p", "no:randomly")
    assert {name: row["outcome"] for name, row in ended.outcomes.items()} == {
        "test_both": "passed",
        "test_none": "failed",
    }
    assert "this session has no postgres.adit of a; it has: postgres, postgres.audit" in ended.output


def test_a_session_without_postgresql_says_what_to_add(suite: Suite) -> None:
    ended = suite.run("unit", "def test_it(noxlib_database): pass\n")
    assert ended.code == 1
    assert "this session has no postgres of a; it has: none" in ended.output
    assert "add [services.a.postgres] to services.toml" in ended.output
    assert "Traceback" not in ended.output


FAILING = """
def test_wrong(noxlib_database):
    note("wrong", name=noxlib_database.name)
    ask([noxlib_database.dsn], "INSERT INTO t (word) VALUES ('evidence')")
    assert 1 == 2
def test_right(noxlib_database): note("right", name=noxlib_database.name)
@pytest.fixture
def broken(noxlib_database):
    note("broken", name=noxlib_database.name)
    raise RuntimeError("no")
def test_broken(broken): pass
@pytest.fixture
def late(noxlib_database):
    assert noxlib_database
    yield
    raise RuntimeError("too late")
def test_late(noxlib_database, late): note("late", name=noxlib_database.name)
@pytest.fixture
def later():
    yield
    raise RuntimeError("too late")
def test_later(later, noxlib_database): note("later", name=noxlib_database.name)
"""


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_failing_test_says_how_to_open_its_database(
    session: Callable[..., Session], words: tuple[str, ...]
) -> None:
    made = session(keep="failed")
    ended = made.run(FAILING, *words)
    names = {name: facts["name"] for name, facts in made.notes().items()}
    assert eventually(lambda: names["right"] not in made.databases())
    kept = made.databases() & set(names.values())
    said = {name for name in names.values() if f"nox -s db-a -- run/{name}\n" in ended.output}
    assert said == kept, "what is said is there, and what is there is said"
    assert {names["wrong"], names["broken"]} <= kept
    assert names["right"] not in kept


def test_nothing_is_said_where_nothing_is_kept(session: Callable[..., Session]) -> None:
    ended = session().run(FAILING)
    assert "db-a" not in ended.output


KILLED = """
@pytest.mark.parametrize("number", range(4))
def test_it(noxlib_database, number):
    note(f"{number}-{os.environ['PYTEST_XDIST_WORKER']}", name=noxlib_database.name, own=os.environ["PGDATABASE"])
    if number == 1:
        os.kill(os.getpid(), 9)
    assert ask([noxlib_database.dsn], "SELECT count(*) FROM t") == "0"
"""


def test_a_killed_worker_gives_its_databases_back(session: Callable[..., Session]) -> None:
    made = session()
    ended = made.run(KILLED, "-n", "2", "--max-worker-restart=2", "-p", "no:randomly")
    assert ended.code == 1
    assert "crashed" in ended.output
    assert [row["outcome"] for row in ended.outcomes.values()].count("passed") == 3, ended.output
    notes = made.notes()
    assert len(notes) == 4
    used = {name for facts in notes.values() for name in facts.values()}
    assert eventually(lambda: not made.databases() & used), made.databases() & used


NESTED = """
import sys
pytest_plugins = ["pytester"]
def test_nested(pytester):
    before = os.environ["PGDATABASE"]
    pytester.makepyfile("def test_inner(): pass")
    for run in (pytester.runpytest_inprocess, pytester.runpytest_subprocess):
        run("-p", "no:randomly").assert_outcomes(passed=1)
        assert os.environ["PGDATABASE"] == before
    note(os.environ["PYTEST_XDIST_WORKER"], name=before)
    assert ask([], "SELECT current_database()") == before
"""


def test_a_pytest_that_a_test_starts_leaves_its_workers_database_alone(
    session: Callable[..., Session],
) -> None:
    made = session()
    ended = made.run(NESTED, "-n", "1", "-W", "error")
    assert ended.code == 0, ended.output


def lease(**values: str) -> Lease:
    given = {
        "user": "app",
        "password": "p",
        "host": "127.0.0.1",
        "port": "5432",
        "database": "test_1",
        **values,
    }
    return Lease(resource="a/postgres", kind="postgres", address=Address(), values=given)


def test_a_url_names_the_driver_as_sqlalchemy_does() -> None:
    database = Database(lease())
    assert database.url() == "postgresql://app:p@127.0.0.1:5432/test_1"
    assert database.url("psycopg") == "postgresql+psycopg://app:p@127.0.0.1:5432/test_1"
    assert database.url("asyncpg").startswith("postgresql+asyncpg://")


def test_odd_passwords_survive_in_every_shape(started: Start) -> None:
    running = started(private_network=False, role="app")
    for password in ("a b'c\\d", "p@ss:w/rd?#&%41=+", "ünïcode", "'", "\\"):
        quoted = password.replace("'", "''")
        running.ask_socket(f"ALTER ROLE app PASSWORD '{quoted}'")
        database = Database(replace(running.lease, values={**running.lease.values, "password": password}))
        for where in (database.dsn, database.url()):
            done = launch.run(
                ["psql", "-XAtc", "SELECT 1", where],
                launch.Setting(env={"PATH": os.environ["PATH"]}, sink=lambda _chunk: None),
                timeout=10,
            )
            assert done.output == "1\n"
