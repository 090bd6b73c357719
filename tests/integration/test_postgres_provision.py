"""Migrations and seeds, run as a service's own would be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxlib.errors import ResourceError
from noxlib.model import Binaries
from noxlib.resources import postgres_provision

Start = Callable[..., Any]  # a Running, see conftest.py


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A service's environment: its virtualenv's bin folder comes first on PATH."""
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "APP_ENV": "test"}


def seed(folder: Path, name: str, sql: str) -> None:
    path = folder / "tests" / "seeds" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql, encoding="utf-8")


def without_psql(binaries: Binaries, folder: Path) -> Binaries:
    """Return the same binaries from a folder that lacks psql, as some distributions do."""
    folder.chmod(0o711)
    for name in ("postgres", "initdb"):
        (folder / name).symlink_to(Path(binaries.bin_dir) / name)
    return replace(binaries, bin_dir=str(folder))


def test_a_migration_runs_in_the_services_folder_and_environment(
    started: Start, environment: dict[str, str], tmp_path: Path, trail: Any
) -> None:
    script = "import os; print(os.environ['PGPORT'], os.environ['URL'], os.environ['APP_ENV'], os.getcwd())"
    server = started(
        migrate=("python", "-c", script), env={"URL": "pg://{user}@{host}"}, environment=environment
    )
    expected = f"{server.lease.address.port} pg://postgres@127.0.0.1 test {tmp_path}\n"
    assert (tmp_path / "server-migrate.log").read_text() == expected
    assert dict(trail)["postgres.migrate"]["code"] == 0


def test_a_failed_migration_shows_its_last_lines_and_keeps_its_log(
    started: Start, environment: dict[str, str], tmp_path: Path, box_folder: Path
) -> None:
    with pytest.raises(ResourceError, match="exit code 3") as caught:
        started(
            migrate=("python", "-c", "print('no such column'); raise SystemExit(3)"), environment=environment
        )
    text = str(caught.value)
    assert text.startswith("services.toml: services.a.postgres.migrate: `")
    assert "no such column" in text
    assert f"log: {tmp_path / 'server-migrate.log'}" in text
    assert "no such column" in (tmp_path / "server-migrate.log").read_text()
    assert list(box_folder.iterdir()) == []


def test_a_migration_that_hangs_is_ended(
    started: Start, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_provision, "COMMAND_SECONDS", 0.3)
    with pytest.raises(ResourceError, match="ran out of time"):
        started(migrate=("python", "-c", "import time; time.sleep(60)"), environment=environment)


def test_a_migration_that_isnt_installed_is_named(started: Start, environment: dict[str, str]) -> None:
    with pytest.raises(ResourceError, match="there is no `alembicc`") as caught:
        started(migrate=("alembicc", "upgrade"), environment=environment)
    assert "lock the package" in caught.value.remedy


def test_a_password_never_gets_into_a_log_or_an_error(
    started: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    script = "import os, sys; p = os.environ['PGPASSWORD']; open('said', 'w').write(p); sys.exit(p)"
    with pytest.raises(ResourceError) as caught:
        started(private_network=False, migrate=("python", "-c", script), environment=environment)
    password = (tmp_path / "said").read_text()
    log = (tmp_path / "server-migrate.log").read_text()
    assert len(password) > 20
    assert password not in str(caught.value) + log
    assert "[redacted]" in log


def test_a_seed_command_follows_the_migration(
    started: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    started(
        migrate=("python", "-c", "open('order', 'a').write('migrate ')"),
        seed_command=("python", "-c", "open('order', 'a').write('seed')"),
        environment=environment,
    )
    assert (tmp_path / "order").read_text() == "migrate seed"
    assert (tmp_path / "server-seed.log").exists()


@pytest.mark.parametrize("psql", [True, False])
class TestSeeds:
    @pytest.fixture
    def chosen(self, psql: bool, binaries: Binaries, box_folder: Path) -> Binaries:
        if psql:
            assert (Path(binaries.bin_dir) / "psql").exists()
            return binaries
        folder = box_folder / "bin"
        folder.mkdir()
        return without_psql(binaries, folder)

    def test_files_are_run_in_order(self, started: Start, tmp_path: Path, chosen: Binaries) -> None:
        seed(tmp_path, "2.sql", "INSERT INTO t VALUES (1), (2);\nINSERT INTO t VALUES (3)")
        seed(tmp_path, "1.sql", "CREATE TABLE t (x int);\n-- ünïcode: 'a' :b %s {c}\n")
        server = started(binaries=chosen, seed=("tests/seeds/*.sql",), role="app")
        assert server.ask("SELECT sum(x) FROM t") == 6
        assert server.ask("SELECT tableowner FROM pg_tables WHERE tablename = 't'") == "app"

    def test_a_failing_one_names_file_line_and_reason(
        self, started: Start, tmp_path: Path, chosen: Binaries
    ) -> None:
        seed(tmp_path, "1.sql", "SELECT 1;\n\nSELECT nonsense;\n")
        with pytest.raises(ResourceError, match='column "nonsense" does not exist') as caught:
            started(binaries=chosen, seed=("tests/seeds/*.sql",))
        text = str(caught.value)
        assert "services.a.postgres.seed" in text
        assert "tests/seeds/1.sql" in text
        assert "1.sql:3" in text or "line 3" in text

    def test_a_pattern_without_a_match_is_an_error(self, started: Start, chosen: Binaries) -> None:
        with pytest.raises(ResourceError, match=r'"tests/sed/\*\.sql" matches no file'):
            started(binaries=chosen, seed=("tests/sed/*.sql",))


def test_psqls_own_commands_work_in_seeds(started: Start, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1\n2\n")
    seed(tmp_path, "1.sql", "CREATE TABLE t (x int);\n\\copy t FROM 'rows.csv' CSV\n")
    assert started(seed=("tests/seeds/1.sql",)).ask("SELECT sum(x) FROM t") == 3


def test_a_seed_that_isnt_text_is_named(
    started: Start, tmp_path: Path, binaries: Binaries, box_folder: Path
) -> None:
    folder = box_folder / "bin"
    folder.mkdir()
    seed(tmp_path, "1.sql", "")
    (tmp_path / "tests/seeds/1.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(ResourceError, match=r"tests/seeds/1\.sql can't be read"):
        started(binaries=without_psql(binaries, folder), seed=("tests/seeds/*.sql",))


@pytest.mark.parametrize(
    ("command", "says"), [("false", "ended with exit code 1"), ("flase", "there is no `flase`")]
)
def test_a_seed_command_that_fails_is_named_by_its_key(started: Start, command: str, says: str) -> None:
    with pytest.raises(ResourceError) as caught:
        started(seed_command=(command,))
    place, _, fault = caught.value.message.partition("postgres.seed: ")
    assert place == "services.toml: services.a."
    assert says in fault
