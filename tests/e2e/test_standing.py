"""`db-a` and `up-b`: what a person starts to work with, until ^C."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Platform

from noxlib import launch

SECONDS = 60
COUNT = "-Atc 'select count(*) from account'"
READ = "-Atc 'select id from account'"


class Standing:
    """A session that stands, and what it has said."""

    def __init__(self, platform: Platform, *words: str) -> None:
        self._log = platform.folder / "nox.log"
        self._log.unlink(missing_ok=True)
        self.child = platform.start(*words)
        deadline = time.monotonic() + SECONDS
        while "^C ends it" not in self.said and self.child.code is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.ready = self.said

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def sh(self, line: str) -> str:
        done = launch.run(["sh", "-ec", line], launch.Setting(sink=lambda _chunk: None), timeout=20)
        assert done.code == 0, done.output
        return done.output.strip()


@contextlib.contextmanager
def standing(platform: Platform, *words: str) -> Iterator[Standing]:
    """Stand, and end it as ^C does."""
    found = Standing(platform, *words)
    try:
        yield found
    finally:
        found.child.send(signal.SIGINT)
        found.child.wait(20)


def socket_folder(said: str) -> Path:
    return Path(re.findall(r"host=(\S+)", said)[0])


def test_a_database_stands_until_it_is_interrupted(platform: Platform) -> None:
    with standing(platform, "-s", "db-a") as session:
        (line,) = re.findall(r'psql ".*"', session.said)
        assert session.sh(f"{line} {COUNT}") == "0"
        exports = "; ".join(re.findall(r"export \S+", session.said))
        assert session.sh(f"{exports}; psql {COUNT}") == "0"
        folder = socket_folder(session.said)
        assert folder.exists()
    assert session.child.code == 0, session.said
    assert not folder.exists()
    password = re.findall(r"export PGPASSWORD=(\S+)", session.said)[0]
    kept = [path for path in platform.folder.glob(".noxlib/runs/*/db-a/**/*") if path.is_file()]
    assert kept
    assert [path for path in kept if password.encode() in path.read_bytes()] == []


def test_a_database_whose_server_ends_says_so(platform: Platform) -> None:
    with standing(platform, "-s", "db-a") as session:
        pid = int((socket_folder(session.said).parent / "data/postmaster.pid").read_text().split()[0])
        launch.kill([pid])
        assert session.child.wait(20) == 1
    assert "a/postgres ended by itself" in session.said


def test_a_service_stands_with_all_that_it_depends_on(platform: Platform) -> None:
    with standing(platform, "-s", "up-b") as session:
        url = re.findall(r"b/process +(http://\S+)", session.said)[0]
        answer = json.load(urllib.request.urlopen(url))  # noqa: S310  our own server
        peer = re.findall(r"export A_URL=(\S+)", session.said)[0]
        assert answer == {"peer": peer}
        assert urllib.request.urlopen(peer).status == 200  # noqa: S310  as above
    assert session.child.code == 0, session.said
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url)  # noqa: S310  as above


def test_two_of_the_same_stand_side_by_side(platform: Platform) -> None:
    with standing(platform, "-s", "db-a") as one, standing(platform, "-s", "db-a") as two:
        assert socket_folder(one.ready) != socket_folder(two.ready)


FAILING = """
import subprocess

def test_writes(noxlib_database):
    subprocess.run(["psql", noxlib_database.dsn, "-qc", "insert into account values (7)"], check=True)
    assert noxlib_database.name == "something else"

def test_passes(noxlib_database):
    assert noxlib_database.name
"""


def test_the_database_of_a_failed_test_can_be_opened(platform: Platform) -> None:
    services = (platform.folder / "services.toml").read_text(encoding="utf-8")
    platform.write(
        {
            "services.toml": services.replace(
                "[services.a.postgres]", '[services.a.postgres]\nkeep = "failed"'
            ),
            "a/tests/integration/test_db.py": FAILING,
        }
    )
    failed = platform.nox("-s", "integration-a").assert_failed()
    (line,) = set(re.findall(r"nox -s db-a -- \S+", failed.output))
    with standing(platform, *line.split()[1:]) as session:
        (psql,) = re.findall(r'psql ".*"', session.said)
        assert session.sh(f"{psql} {READ}") == "7"
    result = platform.nox("-s", "up-b", "--", line.split()[-1]).assert_failed()
    result.assert_says(f"{line.split()[-1]} is a database of a", f"to fix it: {line}")


@pytest.mark.parametrize(
    ("word", "message"),
    [("mine", "'mine' is no kept database"), ("no-run/test_1", "no run no-run that kept a database test_1")],
)
def test_a_database_that_isnt_there_is_said(platform: Platform, word: str, message: str) -> None:
    platform.nox("-s", "db-a", "--", word).assert_failed().assert_says(message, "to fix it")


def test_they_are_listed_and_belong_to_no_tag(platform: Platform) -> None:
    listed = platform.nox("-l").assert_ok().output
    assert re.search(r"- db-a -> a: its migrated, seeded database", listed)
    assert re.search(r"- up-b -> b: the running service and all", listed)
    assert "db-b" not in listed
    assert "db-a" not in re.findall(r"^\* (\S+)", platform.nox("-l", "-t", "a").output, re.MULTILINE)
