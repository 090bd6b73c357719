from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine, inspect, text
from sqlalchemy.pool import NullPool

TABLES = {"hires", "outbox", "plans", "alembic_version"}


@pytest.fixture
def to_scratch(scratch: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    monkeypatch.setenv("DATABASE_URL", scratch.render_as_string(hide_password=False))
    return scratch


def tables(url: URL) -> set[str]:
    return set(inspect(create_engine(url, poolclass=NullPool)).get_table_names())


def functions(url: URL) -> int:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        query = text("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        return int(connection.execute(query).scalar_one())


def test_every_step_goes_up_down_and_up_again(to_scratch: URL, alembic_config: Config) -> None:
    steps = [script.revision for script in ScriptDirectory.from_config(alembic_config).walk_revisions()]
    for revision in reversed(steps):
        command.upgrade(alembic_config, revision)
        command.downgrade(alembic_config, "-1")
        command.upgrade(alembic_config, revision)
    assert tables(to_scratch) == TABLES


def test_going_all_the_way_down_leaves_nothing(to_scratch: URL, alembic_config: Config) -> None:
    command.upgrade(alembic_config, "head")
    assert functions(to_scratch) > 0
    command.downgrade(alembic_config, "base")
    assert tables(to_scratch) == {"alembic_version"}
    assert functions(to_scratch) == 0


@pytest.mark.usefixtures("to_scratch")
def test_the_code_s_tables_are_those_of_the_migrations(alembic_config: Config) -> None:
    command.upgrade(alembic_config, "head")
    command.check(alembic_config)  # raises when a table or column differs


def test_history_is_one_line(alembic_config: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic_config).get_heads()) == 1


def test_a_script_without_a_database_is_refused(alembic_config: Config) -> None:
    with pytest.raises(SystemExit, match="DATABASE_URL"):
        command.upgrade(alembic_config, "head", sql=True)
