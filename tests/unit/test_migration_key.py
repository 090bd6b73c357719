from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from noxlib.errors import ConfigError
from noxlib.migration_key import migration_key
from noxlib.model import Platform, Postgres, Service

MIGRATED = Postgres(migrate=("alembic", "upgrade", "head"))
Key = Callable[..., str]


@pytest.fixture
def key(tmp_path: Path) -> Key:
    for name in ("migrations/1.sql", "src/models.py", "tests/test_a.py", "tests/seeds/a.sql"):
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_text(name)

    def ask(settings: Postgres = MIGRATED, **extra: str) -> str:
        service = Service(name="a", path="a", source=("src",), postgres=(settings,))
        platform = Platform(name="p", services={"a": service})
        return migration_key(service, settings, platform, tmp_path, extra)

    return ask


def test_without_migrations_there_is_nothing_to_keep_apart(key: Key) -> None:
    assert key(Postgres()) == key(Postgres(database="x"), environment="2") == ""


@pytest.mark.parametrize("name", ["migrations/1.sql", "src/models.py", "new.toml"])
def test_whatever_a_migration_may_read_changes_the_key(key: Key, tmp_path: Path, name: str) -> None:
    before = key()
    (tmp_path / "a" / name).write_text("changed")
    assert key() != before


def test_tests_dont_change_the_key_but_for_seeds(key: Key, tmp_path: Path) -> None:
    seeded = replace(MIGRATED, seed=("tests/seeds/*.sql",))
    commanded = Postgres(seed_command=("python", "tests/fill.py"))
    before = key(), key(seeded), key(commanded)
    (tmp_path / "a/tests/test_a.py").write_text("changed")
    assert (key(), key(seeded)) == before[:2]
    assert key(commanded) != before[2], "the command reads what lies in tests"
    (tmp_path / "a/tests/seeds/a.sql").write_text("changed")
    assert key() == before[0]
    assert key(seeded) != before[1]


def test_named_files_are_all_that_count(key: Key, tmp_path: Path) -> None:
    named = replace(MIGRATED, migrations=("migrations/**/*.sql",))
    before = key(named)
    (tmp_path / "a/src/models.py").write_text("changed")
    assert key(named) == before
    (tmp_path / "a/migrations/1.sql").write_text("changed")
    assert key(named) != before


def test_seeds_beside_the_service_count(key: Key, tmp_path: Path) -> None:
    (tmp_path / "shared.sql").write_text("one")
    shared = Postgres(seed=("../shared.sql",))
    before = key(shared)
    (tmp_path / "shared.sql").write_text("two")
    assert key(shared) != before


@pytest.mark.parametrize(
    "settings",
    [
        Postgres(migrate=("psql", "-qf", "{}")),
        Postgres(migrate=("psql", "--file={}")),
        Postgres(seed_command=("psql", "-f", "{}")),
        Postgres(migrate=("sh", "run.sh"), migrations=("{}",)),
    ],
)
@pytest.mark.parametrize("name", ["../common/schema.sql", "tests/schema.sql", "build/schema.sql"])
def test_a_file_that_a_command_names_counts_wherever_it_lies(
    key: Key, tmp_path: Path, settings: Postgres, name: str
) -> None:
    path = tmp_path / "a" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("one")
    filled = replace(
        settings,
        **{
            each: tuple(word.format(name) for word in getattr(settings, each))
            for each in ("migrate", "seed_command", "migrations")
        },
    )
    before = key(filled)
    path.write_text("two")
    assert key(filled) != before


def test_commands_environment_and_interpreter_count(key: Key) -> None:
    others = {
        key(replace(MIGRATED, migrate=("alembic", "upgrade", "1"))),
        key(replace(MIGRATED, env={"A": "b"})),
        key(replace(MIGRATED, seed=("tests/seeds/*.sql",))),
        key(MIGRATED, environment="other"),
    }
    assert len(others | {key()}) == 5


def test_a_pattern_that_matches_nothing_is_said(key: Key) -> None:
    with pytest.raises(ConfigError, match=r'services\.a\.postgres\.migrations: "\*\.rb" matches no file'):
        key(replace(MIGRATED, migrations=("*.rb",)))
