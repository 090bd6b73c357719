"""CI's PostgreSQL, through real nox in both boxes."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import time
from pathlib import Path

import psutil
import pytest
from ci_server import RELEASED, Container, Onlookers, files_with, passing, run, settings
from conftest import BOXES, Platform
from waiting import eventually

from noxlib import launch

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
WAITS = """
import os, time
from pathlib import Path
from mod import double

def test_waits(noxlib_database):
    double(1)
    Path(os.environ["FLAG"]).touch()
    time.sleep(600)
"""


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
