"""Production's DSN and everybody's passwords: who could see or reach them, through real nox in both boxes."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from ci_server import RELEASED, Container, Onlookers, files_with, passing, run, settings
from conftest import BOXES, Platform

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
