"""Mistakes and bad days: each ends with one clear message, the right exit code and no traceback."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from conftest import Platform

from noxlib import launch
from noxlib.errors import ConfigError
from noxlib.testing import Project

Fresh = Callable[[Mapping[str, str]], Project]
SERVICE = '[services.a]\npath = "a"\nsource = ["src"]\n'


def clean(project: Project, *words: str, code: int, env: Mapping[str, str] | None = None) -> str:
    result = project.nox(*words, env=env)
    assert result.code == code, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "services.toml"),
        ("[services.a\n", "services.toml:1"),
        ('[services.a]\npath = "a"\nsorce = ["src"]\n', 'Did you mean "source"'),
        ('[services.a]\npath = "nowhere"\n', "services.toml:2"),
        ('[services."../a"]\npath = "a"\n', "services.toml:1"),
        (SERVICE + "[services.a.types.integrtion]\n", 'Did you mean "integration"'),
        (SERVICE + 'depends_on = ["a"]\n', "services.toml:4"),
    ],
)
def test_a_mistake_in_services_toml_is_said_with_its_place(fresh: Fresh, text: str, says: str) -> None:
    project = fresh({"services.toml": text, "a/src/mod.py": ""})
    assert says in clean(project, "-l", code=ConfigError.exit_code)


def test_a_missing_and_an_unreadable_services_toml_are_said(fresh: Fresh) -> None:
    project = fresh({})
    assert "not found" in clean(project, "-l", code=ConfigError.exit_code)
    (project.folder / "services.toml").write_bytes(b"[platform]\nname = '\xff'\n")
    assert "UTF-8" in clean(project, "-l", code=ConfigError.exit_code)


def test_a_service_without_a_lock_file_is_refused(fresh: Fresh) -> None:
    project = fresh({"services.toml": SERVICE, "a/src/mod.py": "", "a/tests/unit/test_a.py": ""})
    output = clean(project, "-s", "unit-a", code=1)
    assert "poetry.lock" in output
    assert "to fix it:" in output


def test_a_python_that_is_not_there_is_said_with_those_that_are(fresh: Fresh) -> None:
    project = fresh(
        {
            "services.toml": SERVICE + 'pythons = ["3.77"]\n',
            "a/src/mod.py": "",
            "a/tests/unit/test_a.py": "",
            "a/requirements.lock": "iniconfig==2.3.0\n",
        }
    )
    output = clean(project, "-s", "unit-a", code=1)
    assert "3.77" in output
    assert "to fix it:" in output


def test_no_postgresql_that_fits_is_said_before_anything_starts(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    services.write_text(
        services.read_text().replace("[services.a.postgres]", '[services.a.postgres]\nversion = ">=99"')
    )
    output = clean(platform, "-s", "integration-a", code=1)
    assert '">=99"' in output
    assert "NOXLIB_PG_BIN" in output


def test_a_failing_migration_shows_its_last_lines_and_keeps_the_log(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    services.write_text(services.read_text().replace("create table account", "create tabel account"))
    output = clean(platform, "-s", "integration-a", code=1)
    assert "syntax error" in output
    assert "migrate.log" in output
    assert list(platform.folder.glob(".noxlib/runs/main/integration-a/*/logs/*migrate.log"))


@pytest.mark.parametrize(
    "hangs",
    ['migrate = ["sleep", "600"]', "init_sql = ['select pg_sleep(600)']"],
    ids=["migrate", "init_sql"],
)
def test_the_time_limit_holds_before_the_suite_too(platform: Platform, hangs: str) -> None:
    services = platform.folder / "services.toml"
    text = services.read_text().replace('migrate = ["psql", "-c", "create table account (id int)"]', hangs)
    services.write_text(text + '[services.a.types.integration]\ntimeout = "4s"\n')
    begun = time.monotonic()
    output = clean(platform, "-s", "integration-a", code=1)
    assert "timeout: the session ran longer than 4 s, a/postgres wasn't ready by then" in output
    assert time.monotonic() - begun < 60


def test_a_failing_seed_names_its_file(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    seeded = services.read_text().replace(
        "[services.a.postgres]", '[services.a.postgres]\nseed = ["seeds/*.sql"]'
    )
    services.write_text(seeded)
    platform.write({"a/seeds/one.sql": "insert into account values (1);\ninsert into nobody values (1);\n"})
    output = clean(platform, "-s", "integration-a", code=1)
    assert "seeds/one.sql" in output
    assert "nobody" in output


def test_a_process_that_dies_first_shows_its_last_lines(platform: Platform) -> None:
    platform.write({"a/server.py": "raise SystemExit('no such setting')\n"})
    output = clean(platform, "-s", "e2e-a", code=1)
    assert "before it was ready" in output
    assert "no such setting" in output


def test_a_taken_port_is_said_in_a_guarded_box(platform: Platform) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        services = platform.folder / "services.toml"
        services.write_text(
            services.read_text().replace("[services.a.process]", f"[services.a.process]\nport = {port}")
        )
        output = clean(platform, "-s", "e2e-a", code=1, env={"NOXLIB_BOX": "guarded"})
    assert f"port {port} is taken" in output


def test_a_disk_without_room_is_said(platform: Platform, request: pytest.FixtureRequest) -> None:
    # A short path: the box wouldn't use a long TMPDIR, for the sake of Unix sockets.
    small = Path(tempfile.mkdtemp(prefix="small-", dir="/var/tmp"))
    request.addfinalizer(small.rmdir)
    # A user who isn't root gets the right to mount in a namespace of his own.
    own = ["--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}", "--keep-caps"]
    identity = [] if os.geteuid() == 0 else own
    mount = f'mount -t tmpfs -o size=8M,mode=1777 none {small} && exec "$@"'
    nox = platform.command("-s", "integration-a")
    env = platform.environment({"NOXLIB_TMPFS": "off", "TMPDIR": str(small), "NOXLIB_BOX": "guarded"})
    done = launch.run(
        ["unshare", "--mount", *identity, "sh", "-c", mount, "sh", *nox],
        launch.Setting(cwd=platform.folder, env=env, sink=lambda _chunk: None),
        timeout=60,
    )
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    assert "no room for a server" in done.output, done.output
    platform.nox("-s", "integration-a").assert_ok()


def test_what_is_not_available_yet_is_said(platform: Platform) -> None:
    services = platform.folder / "services.toml"
    table = "[services.a.postgres]\n"
    services.write_text(services.read_text().replace(table, f'{table}via = "proxy"\n'))
    assert "not available yet" in clean(platform, "-s", "integration-a", code=1)


def test_an_unknown_box_is_said(platform: Platform) -> None:
    assert "unknown box" in clean(platform, "-s", "unit-a", code=1, env={"NOXLIB_BOX": "cardboard"})
