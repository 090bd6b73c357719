from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from noxlib import config, guide
from noxlib.model import External, Platform, Postgres, Redis, Service, SuiteSettings

SERVER = Postgres(
    version=">=14",
    extensions=("vector", "pg_trgm"),
    settings={"max_connections": "50"},
    migrate=("alembic", "upgrade", "head"),
    seed=("seeds/*.sql",),
    role="app",
    isolation="reset",
    keep="failed",
    env={"DATABASE_URL": "postgresql://{user}:{password}@{host}/{database}"},
    external=External(variable="CI_DATABASE_URL", allow=("localhost/ci_*",)),
)
SERVICE = Service(
    name="shop",
    path=".",
    source=("src",),
    postgres=(SERVER, Postgres(name="postgres.audit", init_sql=("select 'a|b'\n",))),
    redis=Redis(env={"REDIS_URL": "redis://{host}:{port}"}),
    types={
        "unit": SuiteSettings(),
        "integration": SuiteSettings(),
        "race": SuiteSettings(needs=("postgres",)),
        "chaos": SuiteSettings(enabled=False),
    },
)


def page(service: Service = SERVICE) -> str:
    return guide.text(Platform(name="town", services={service.name: service}))


@pytest.mark.parametrize(
    "line",
    [
        "| PostgreSQL | `>=14`; the system's where it fits, else a pinned wheel |",
        "| Extensions | `vector`, `pg_trgm` |",
        "| Settings | `max_connections = 50` |",
        "| Database and role | `test`, owned by `app`, no superuser: row-level security holds for it |",
        "| Migrated by | `alembic upgrade head` |",
        "| Seeded by | `seeds/*.sql` |",
        "| Kept | the databases of failed tests |",
        "| Handed over as | `DATABASE_URL` and libpq's variables (`PGHOST` ...) |",
        "| Elsewhere | the server that `CI_DATABASE_URL` names, if it is on `localhost/ci_*` |",
        "| Before migrations | `select 'a\\|b'` |",
        "| Sessions | `integration-shop`, `race-shop` |",
        "| Sessions | `integration-shop` |",
        "| To work with | `nox -s db-shop` |",
    ],
)
def test_the_page_says_what_a_service_needs(line: str) -> None:
    assert line in page().splitlines()


def test_each_server_has_a_table_and_what_is_not_asked_for_has_no_row() -> None:
    found = page()
    headings = [line for line in found.splitlines() if line.startswith("## ")]
    assert headings == ["## shop/postgres", "## shop/postgres.audit", "## shop/redis"]
    audit = found.partition("## shop/postgres.audit")[2].partition("## ")[0]
    assert "Extensions" not in audit
    assert "Migrated by" not in audit
    assert "PGHOST" not in audit, "libpq's variables are the first server's"


def test_a_service_without_servers_has_no_section() -> None:
    assert "## " not in page(replace(SERVICE, postgres=(), redis=None))


def test_this_repositorys_page_is_current() -> None:
    root = Path(__file__).parents[2]
    written = (root / "docs/reference/servers.md").read_text(encoding="utf-8")
    now = guide.text(config.load(root / "services.toml"))
    assert written == now, "run `python -m noxlib guide > docs/reference/servers.md`, and commit it"


def test_a_password_cannot_be_in_the_page() -> None:
    assert "{password}" not in page(), "variables are named, their templates aren't shown"
