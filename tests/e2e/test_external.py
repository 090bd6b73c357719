"""CI's PostgreSQL, production's DSN and everybody's passwords, through real nox in both boxes."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shlex
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import BOXES, Platform

from noxlib import launch
from noxlib.box import free_port
from noxlib.files import cache_folder
from noxlib.model import Postgres
from noxlib.resources import postgres_sql
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres_server import Server, ServerOrder
from noxlib.resources.postgres_user import server_credentials
from noxlib.testing import Result

EXTERNAL = (
    '[services.a.postgres]\nexternal = { variable = "CI_DATABASE_URL", allow = ["127.0.0.1:*/ci_*"] }\n'
)
RELEASED = "a/tests/integration/test_db.py"
WORKS = """
import os, socket, subprocess, time
from pathlib import Path
import pytest
from mod import double

def psql(sql, **env):
    done = subprocess.run(["psql", "-Atc", sql], capture_output=True, text=True, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

def test_it_is_migrated():
    assert double(1) == 2
    assert psql("select count(*) from account") == "0"
    assert os.environ["PGDATABASE"].startswith("noxlib_")

@pytest.mark.parametrize("number", range(3))
def test_each_test_has_its_own(noxlib_database, number):
    assert psql("select count(*) from account", **noxlib_database.env) == "0"
    psql("insert into account values (1)", **noxlib_database.env)

def test_the_servers_own_address_is_not_known_here():
    assert "CI_DATABASE_URL" not in os.environ
    seen = b"".join(each.read_bytes() for each in Path("/proc").glob("[0-9]*/environ") if readable(each))
    if os.environ["BOX"] == "namespace":
        assert b"CI_DATABASE_URL" not in seen
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(os.environ["CI_PORT"])), timeout=1)

def readable(path):
    try:
        return bool(path.read_bytes())
    except OSError:
        return False
"""
WORKERS = """
import os, subprocess
import pytest
from mod import double

@pytest.mark.parametrize("number", range(4))
def test_it_is_its_workers_own(number):
    double(1)
    sql = "insert into account values (1) returning current_database()"
    done = subprocess.run(["psql", "-qAtc", sql], capture_output=True, text=True)
    assert done.stdout.startswith("noxlib_") and done.stdout.strip() == os.environ["PGDATABASE"], done.stderr
    assert os.environ["PYTEST_XDIST_WORKER"] in ("gw0", "gw1")
    assert done.stdout.strip()[-1] in "12"
"""
LEAKS = """
import os, subprocess
from pathlib import Path
from mod import double

def test_shows_what_it_has():
    double(1)
    password = os.environ["PGPASSWORD"]
    Path(os.environ["SEEN"]).write_text(password[::-1])
    url = os.environ["DATABASE_URL"]
    print(url, password)
    subprocess.run(["psql", "-c", "select '" + password + "' from nosuch"])
    subprocess.run(["psql", "-Atc", "select 1"], check=True)
    assert url == "", {"given": password}
"""
SHOWS = 'env = { DATABASE_URL = "postgresql://{user}:{password}@{host}:{port}/{database}" }\n'
HUNTS = """
import os, subprocess
from pathlib import Path
import pytest
from mod import double

def test_production_is_not_known_here():
    double(1)
    assert "prod." not in str(os.environ) and "prod-" not in str(os.environ)
    assert "DATABASE_URL" not in os.environ
    for name in ("PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGHOSTADDR", "PGOPTIONS", "PGSSLMODE"):
        assert name not in os.environ
    for name in (".pgpass", ".pg_service.conf", ".psqlrc"):
        assert not Path.home().joinpath(name).exists()
    if os.environ["BOX"] == "namespace":
        for each in Path("/proc").glob("[0-9]*/environ"):
            try:
                assert b"prod.example.com" not in each.read_bytes()
            except OSError:
                pass

def test_what_connects_by_default_meets_its_own_server():
    words = ["psql", "-Atc", "select current_setting('data_directory')"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "noxlib-" in done.stdout, done.stderr

@pytest.mark.parametrize("where", ["prod.example.com", "192.0.2.7", "2001:db8::7"])
def test_who_knows_the_address_gets_nowhere(where):
    if os.environ["BOX"] == "namespace":
        words = ["psql", "-d", f"postgresql:///shop?host={where}&connect_timeout=3", "-c", "select 1"]
        assert subprocess.run(words, capture_output=True).returncode != 0
    else:
        import socket
        with pytest.raises((OSError, pytest.fail.Exception)):
            socket.create_connection((where, 5432), timeout=3)
"""
WAITS = """
import os, time
from pathlib import Path
from mod import double

def test_waits(noxlib_database):
    double(1)
    Path(os.environ["FLAG"]).touch()
    time.sleep(600)
"""


@dataclass
class Container:
    """A server that CI has started."""

    server: Server
    password: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.server.port}/ci_shop"

    def ask(self, sql: str) -> Any:
        with postgres_sql.connected(self.server.dsn()) as connection:
            rows = connection.run(sql)
            return rows[0][0] if rows else None

    def ours(self) -> int:
        names = "(SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles) AS n(name)"
        return int(self.ask(f"SELECT count(*) FROM {names} WHERE name LIKE 'noxlib%'"))


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    folder = Path(tempfile.mkdtemp(prefix="nxe"))
    folder.chmod(0o711)
    binaries = find_binaries(Postgres(), "test", cache_folder(), print)
    server = Server(
        ServerOrder(
            binaries=binaries,
            folder=folder / "server",
            log=folder / "server.log",
            credentials=server_credentials(),
            host="127.0.0.1",
            port=free_port(),
            auth="scram-sha-256",
        )
    )
    server.base.mkdir()
    found = Container(server, secrets.token_urlsafe(24))
    try:
        server.setup()
        server.start()
        found.ask(f"ALTER ROLE postgres PASSWORD '{found.password}'")
        found.ask("CREATE DATABASE ci_shop")
        yield found
    finally:
        server.stop()
        shutil.rmtree(folder)


class Onlookers:
    """Whoever looks at the process list while something runs."""

    def __init__(self, *words: str) -> None:
        self._words = [word.encode() for word in words]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.seen: set[bytes] = set()

    def __enter__(self) -> Onlookers:  # noqa: PYI034  typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                self.seen |= {line for word in self._words if word in line}


def settings(platform: Platform, extra: str = "", suite: str = "") -> None:
    services = platform.folder / "services.toml"
    text = services.read_text().replace("[services.a.postgres]\n", EXTERNAL + extra)
    services.write_text(text + suite)


def files_with(folder: Path, secret: str) -> list[Path]:
    """Return what holds a secret of all that a project keeps: runs, state, logs; the tests' own files aside."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".nox" not in path.parts)
    return [path for path in paths if secret.encode() in path.read_bytes()]


def run(platform: Platform, box: str, env: dict[str, str], session: str = "integration-a") -> Result:
    return platform.nox("-s", session, env={"NOXLIB_BOX": box, "BOX": box, **env})


def passing(platform: Platform, *names: str) -> None:
    services = platform.folder / "services.toml"
    listed = ", ".join(f'"{name}"' for name in ("MY_TOKEN", "BOX", *names))
    services.write_text(services.read_text().replace('pass_env = ["MY_TOKEN"]', f"pass_env = [{listed}]"))


# --- CI's server ----------------------------------------------------------------------------


@pytest.mark.parametrize("box", BOXES)
def test_a_session_uses_cis_server_and_leaves_it_as_it_was(
    platform: Platform, container: Container, box: str
) -> None:
    settings(platform)
    passing(platform, "CI_PORT")
    platform.write({RELEASED: WORKS})
    env = {"CI_DATABASE_URL": container.url, "CI_PORT": str(container.server.port)}
    with Onlookers(container.password) as onlookers:
        result = run(platform, box, env)
    result.assert_ok().assert_says("(external)")
    assert container.ours() == 0
    assert onlookers.looks > 10
    assert onlookers.seen == set()
    assert container.password not in result.output
    assert files_with(platform.folder, container.password) == []


def test_each_worker_has_a_database_of_its_own_there(platform: Platform, container: Container) -> None:
    settings(platform, suite='[services.a.types.integration]\nworkers = "2"\n')
    platform.write({RELEASED: WORKERS})
    result = run(platform, "namespace", {"CI_DATABASE_URL": container.url}).assert_ok()
    result.assert_says("(external)", "4 passed")
    assert container.ours() == 0


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_database_to_work_with_can_be_there_too(
    platform: Platform, container: Container, end: signal.Signals
) -> None:
    settings(platform)
    log = platform.folder / "nox.log"
    log.unlink(missing_ok=True)
    child = platform.start("-s", "db-a", env={"CI_DATABASE_URL": container.url})
    try:
        assert eventually(lambda: log.exists() and "^C ends it" in log.read_text(), 60), log.read_text()
        lines = log.read_text().splitlines()
        exported = dict(line.split()[1].split("=", 1) for line in lines if line.startswith("  export PG"))
        opened = next(line for line in lines if "psql" in line).partition("psql ")[2]
        done = launch.run(
            ["psql", *shlex.split(opened), "-Atc", "select count(*) from account"],
            launch.Setting(env={**os.environ, **exported}, sink=lambda _chunk: None),
        )
        assert done.output == "0\n"
        assert container.password not in log.read_text()
        child.send(end)
        child.wait(30)
    finally:
        child.stop()
    assert eventually(lambda: container.ours() == 0, 20)


def test_without_the_variable_the_session_has_a_server_of_its_own(platform: Platform) -> None:
    settings(platform)
    result = run(platform, "namespace", {"CI_DATABASE_URL": ""}).assert_ok()
    assert "(external)" not in result.output


def test_a_service_that_is_depended_on_finds_its_database_there_too(
    platform: Platform, container: Container
) -> None:
    settings(platform)
    result = run(platform, "namespace", {"CI_DATABASE_URL": container.url}, "e2e-b").assert_ok()
    assert "(external)" in result.output
    assert container.ours() == 0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "postgresql://me:geheim@prod.example.com/ci_shop",
            "prod.example.com:5432/ci_shop, which isn't on the list",
        ),
        ("postgresql://me:geheim@127.0.0.1/prod-ci_1", "127.0.0.1:5432/prod-ci_1, which isn't on the list"),
        ("postgresql://me:geheim@127.0.0.1/ci_1?host=prod.example.com", "a parameter behind ?"),
        ("postgresql://me:geheim@127.0.0.1,prod.example.com/ci_1", "several hosts"),
    ],
)
def test_a_server_that_is_not_on_the_list_is_refused(platform: Platform, url: str, says: str) -> None:
    settings(platform)
    result = run(platform, "namespace", {"CI_DATABASE_URL": url}).assert_failed(1)
    result.assert_says("services.a.postgres.external", says, "to fix it:")
    assert "Traceback" not in result.output
    assert "geheim" not in result.output
    assert files_with(platform.folder, "geheim") == []


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("victim", ["nox", "noxlib.supervisor", "noxlib.resources.external_broker"])
def test_whoever_is_killed_no_database_stays(
    platform: Platform, container: Container, box: str, victim: str, tmp_path: Path
) -> None:
    settings(platform)
    passing(platform, "FLAG")
    platform.write({RELEASED: WAITS})
    flag = tmp_path / "flag"
    env = {"NOXLIB_BOX": box, "BOX": box, "CI_DATABASE_URL": container.url, "FLAG": str(flag)}
    child = platform.start("-s", "integration-a", env=env)
    try:
        assert eventually(flag.exists, 60), (platform.folder / "nox.log").read_text()
        assert container.ours() > 0
        doomed = [psutil.Process(child.pid)] if victim == "nox" else members(child, victim)
        assert doomed
        for each in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        if victim.endswith("broker"):
            child.send(signal.SIGINT)
        assert child.wait(30) is not None
    finally:
        child.stop()
    if victim.endswith("broker"):
        assert container.ours() > 0
        platform.restore()
        settings(platform)
        run(platform, box, {"CI_DATABASE_URL": container.url}).assert_ok()
    assert eventually(lambda: container.ours() == 0, 30)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("seed", range(4))
def test_at_whatever_moment_the_supervisor_is_killed_no_database_stays(
    platform: Platform, container: Container, box: str, seed: int
) -> None:
    settings(platform)
    platform.write({RELEASED: WORKS})
    child = platform.start("-s", "integration-a", env={"NOXLIB_BOX": box, "CI_DATABASE_URL": container.url})
    try:
        assert eventually(lambda: bool(members(child, "noxlib.supervisor")), 30)
        time.sleep(random.Random(seed).uniform(0.0, 1.5))
        for each in members(child, "noxlib.supervisor"):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        assert child.wait(30) is not None
    finally:
        child.stop()
    assert container.ours() == 0  # nox has waited for it


def members(child: launch.Child, word: str) -> list[psutil.Process]:
    """Return nox's processes whose command line holds a word; those that end meanwhile aside."""
    found = []
    for each in psutil.Process(child.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += [each] if word in each.cmdline() else []
    return found


def eventually(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


# --- production's ---------------------------------------------------------------------------


@pytest.mark.parametrize("box", BOXES)
def test_a_dsn_of_production_in_the_shell_is_neither_seen_nor_reached(
    platform: Platform, box: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.joinpath(".pgpass").write_text("*:*:*:*:prod-password\n")
    home.joinpath(".pgpass").chmod(0o600)
    home.joinpath(".pg_service.conf").write_text("[prod]\nhost=prod.example.com\nuser=prod\n")
    passing(platform)
    platform.write({RELEASED: HUNTS})
    with trap() as (port, met):
        url = f"postgresql://prod:prod-password@127.0.0.1:{port}/prod?application_name=prod.example.com"
        result = run(
            platform,
            box,
            {
                "HOME": str(home),
                "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
                "DATABASE_URL": url,
                "SQLALCHEMY_DATABASE_URI": url.replace("SQL", ""),
                "PROD_DSN": url,
                "PGHOST": "127.0.0.1",
                "PGHOSTADDR": "127.0.0.1",
                "PGPORT": str(port),
                "PGUSER": "prod",
                "PGPASSWORD": "prod-password",
                "PGDATABASE": "prod",
                "PGSERVICE": "prod",
                "PGSERVICEFILE": str(home / ".pg_service.conf"),
                "PGPASSFILE": str(home / ".pgpass"),
                "PGOPTIONS": "-c search_path=prod.example.com",
                "PGSSLMODE": "prefer",
            },
        )
    result.assert_ok()
    assert met == []
    assert "prod-password" not in result.output
    assert files_with(platform.folder / ".noxlib", "prod-password") == []


class trap:  # noqa: N801  used as a function
    """A server that nobody may meet."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._met: list[str] = []
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> tuple[int, list[str]]:
        self._thread.start()
        return self._listener.getsockname()[1], self._met

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _wait(self) -> None:
        try:
            while True:
                client, address = self._listener.accept()
                self._met.append(str(address))
                client.close()
        except OSError:
            return


# --- passwords ------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["local", "external"])
@pytest.mark.parametrize("box", BOXES)
def test_a_password_is_in_no_file_no_output_and_no_process_list(
    platform: Platform, container: Container, box: str, provider: str, tmp_path: Path
) -> None:
    settings(platform, SHOWS + 'auth = "scram-sha-256"\n')
    passing(platform, "SEEN")
    platform.write({RELEASED: LEAKS})
    seen = tmp_path / "seen"
    env = {"SEEN": str(seen), "CI_DATABASE_URL": container.url if provider == "external" else ""}
    # The one who looks can't know it before: look for all lines, and search them afterwards.
    with Onlookers("psql", "postgres", "nox") as onlookers:
        result = run(platform, box, env).assert_failed(1)
    password = seen.read_text()[::-1]
    assert len(password) > 20
    assert "[redacted]" in result.output
    for each in (password, container.password):
        assert each not in result.output
        assert files_with(platform.folder, each) == []
        shown = {line for line in onlookers.seen if each.encode() in line}
        # The test itself gave it to psql.
        assert {line for line in shown if b"nosuch" not in line} == set()
    assert container.ours() == 0
