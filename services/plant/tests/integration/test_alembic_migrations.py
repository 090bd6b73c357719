"""Each revision up and down in a database of the test's own, and what the tables then are."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Inspector, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from plant_embeddings import at_angle

pytestmark = pytest.mark.migrations

SERVICE = Path(__file__).parents[2]
KINDS = {"skill_entity", "industry_entity", "team_entity", "job_role_entity", "agent_entity"}
ENTITIES = {"base_entity", *KINDS}
TRAIL = {"audit_record", "audit_head"}
# What each revision brings, and what going below it takes away.
BROUGHT = {
    "001": {"base_entity"},
    "002": {"skill_entity"},
    "003": KINDS - {"skill_entity"},
    "004": TRAIL,
    "005": set[str](),
}
MIGRATION_LOCK = 0x706C616E74  # as migrations/env.py says
BASE = "INSERT INTO base_entity (id, tenant, kind, name) VALUES (:id, 'acme', :kind, :name)"
ONE, TWO = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


async def upgrade(config: Config, revision: str = "head") -> None:
    """Run alembic as its command line does: in no event loop."""
    await asyncio.to_thread(command.upgrade, config, revision)


async def downgrade(config: Config, revision: str) -> None:
    await asyncio.to_thread(command.downgrade, config, revision)


async def look(engine: AsyncEngine, method: str, *arguments: str) -> Any:
    def ask(sync: Any) -> Any:
        inspector: Inspector = inspect(sync)
        return getattr(inspector, method)(*arguments)

    async with engine.connect() as connection:
        return await connection.run_sync(ask)


async def tables(engine: AsyncEngine) -> set[str]:
    return set(await look(engine, "get_table_names")) - {"alembic_version"}


async def run(engine: AsyncEngine, *statements: str, **values: object) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), values)


async def ask(engine: AsyncEngine, query: str) -> Any:
    async with engine.connect() as connection:
        return await connection.scalar(text(query))


@pytest.mark.parametrize("revision", sorted(BROUGHT))
async def test_a_revision_goes_up_down_and_up_again(
    blank: AsyncEngine, alembic_config: Config, revision: str
) -> None:
    before = set[str]().union(*(BROUGHT[each] for each in BROUGHT if each < revision))
    await upgrade(alembic_config, revision)
    assert await tables(blank) == before | BROUGHT[revision]
    await downgrade(alembic_config, "-1")
    assert await tables(blank) == before
    await upgrade(alembic_config, revision)
    assert await tables(blank) == before | BROUGHT[revision]


async def test_all_the_way_down_leaves_no_table_function_or_policy(
    blank: AsyncEngine, alembic_config: Config
) -> None:
    await upgrade(alembic_config)
    own = """SELECT count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
      WHERE pronamespace = 'public'::regnamespace AND lanname IN ('sql', 'plpgsql')"""
    assert await ask(blank, own) > 0
    await downgrade(alembic_config, "base")
    assert await tables(blank) == set()
    assert await ask(blank, own) == 0
    assert await ask(blank, "SELECT count(*) FROM pg_policy") == 0


async def test_an_upgrade_that_is_run_again_changes_nothing(
    blank: AsyncEngine, alembic_config: Config
) -> None:
    await upgrade(alembic_config)
    marks = "SELECT string_agg(relname || relfilenode, ',' ORDER BY oid) FROM pg_class WHERE relkind = 'r'"
    before = await ask(blank, marks)
    await upgrade(alembic_config)
    assert await ask(blank, marks) == before
    assert await ask(blank, "SELECT version_num FROM alembic_version") == "005"


async def test_a_deployment_waits_for_one_that_migrates(blank: AsyncEngine) -> None:
    command_line = (sys.executable, "-m", "alembic", "upgrade", "head")
    async with blank.connect() as first:
        await first.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        second = await asyncio.create_subprocess_exec(*command_line, cwd=SERVICE)
        while not await ask(
            blank, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            await asyncio.sleep(0.02)
            assert second.returncode is None
        assert await tables(blank) == set()
        await first.rollback()
    assert await second.wait() == 0
    assert await tables(blank) == ENTITIES | TRAIL


async def test_history_is_one_line_of_five(alembic_config: Config) -> None:
    scripts = ScriptDirectory.from_config(alembic_config)
    assert [each.revision for each in scripts.walk_revisions()] == ["005", "004", "003", "002", "001"]


async def test_a_script_without_a_database_is_refused(blank: AsyncEngine, alembic_config: Config) -> None:
    with pytest.raises(SystemExit, match="DATABASE_URL"):
        await asyncio.to_thread(command.upgrade, alembic_config, "head", sql=True)
    assert await tables(blank) == set()


@pytest.mark.vectors
async def test_the_embedding_is_a_vector_of_384_that_may_be_null(engine: AsyncEngine) -> None:
    query = """SELECT format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
      FROM pg_attribute WHERE attrelid = 'skill_entity'::regclass AND attname = 'embedding_384'"""
    assert await ask(engine, query) == "vector(384)"


@pytest.mark.vectors
async def test_the_embedding_s_index_is_hnsw_for_cosine_distance(engine: AsyncEngine) -> None:
    query = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_skill_entity_embedding_384'"
    assert "USING hnsw (embedding_384 vector_cosine_ops)" in await ask(engine, query)


async def test_every_reference_and_the_trail_s_columns_have_an_index(engine: AsyncEngine) -> None:
    indexed = {
        (table, tuple(index["column_names"]))
        for table in ENTITIES | TRAIL
        for index in await look(engine, "get_indexes", table)
    }
    assert indexed >= {
        ("base_entity", ("name",)),
        ("base_entity", ("tenant", "kind", "name")),
        ("base_entity", ("tenant", "idempotency_key")),
        ("job_role_entity", ("industry_id",)),
        ("agent_entity", ("team_id",)),
        ("agent_entity", ("job_role_id",)),
        ("audit_record", ("entity_id", "sequence")),
        ("audit_record", ("recorded_at",)),
    }


@pytest.mark.parametrize("table", sorted(ENTITIES))
async def test_every_entity_s_primary_key_is_its_id(engine: AsyncEngine, table: str) -> None:
    key = await look(engine, "get_pk_constraint", table)
    assert (key["name"], key["constrained_columns"]) == (f"pk_{table}", ["id"])


@pytest.mark.parametrize("table", sorted(KINDS))
async def test_a_kind_inherits_from_base_entity_by_its_primary_key(engine: AsyncEngine, table: str) -> None:
    keys = {tuple(key["constrained_columns"]): key for key in await look(engine, "get_foreign_keys", table)}
    parent = keys[("id",)]
    assert (parent["referred_table"], parent["referred_columns"]) == ("base_entity", ["id"])
    assert parent["options"] == {"ondelete": "CASCADE"}
    others = [key for columns, key in keys.items() if columns != ("id",)]
    assert all(key["options"] == {"ondelete": "RESTRICT"} for key in others)


async def test_all_six_entity_tables_are_there_and_are_those_of_the_code(
    blank: AsyncEngine, alembic_config: Config
) -> None:
    await upgrade(alembic_config)
    assert await tables(blank) == ENTITIES | TRAIL
    assert len(ENTITIES) == 6
    await asyncio.to_thread(command.check, alembic_config)  # raises when a table or column differs


async def test_data_outlives_the_revisions_that_come_after_it(
    blank: AsyncEngine, alembic_config: Config
) -> None:
    await upgrade(alembic_config, "002")
    await run(blank, BASE, id=ONE, kind="skill", name="welding")
    await run(
        blank,
        "INSERT INTO skill_entity (id, category, embedding_384) VALUES (:id, 'metal', :embedding)",
        id=ONE,
        embedding=str(at_angle(0)),
    )
    await upgrade(alembic_config, "head")
    await downgrade(alembic_config, "002")
    kept = "SELECT name || '/' || category || '/' || (embedding_384 = '{}')::text FROM base_entity JOIN skill_entity USING (id)"
    assert await ask(blank, kept.format(at_angle(0))) == "welding/metal/true"


async def test_a_kind_that_goes_takes_its_base_rows_along_and_no_others(
    blank: AsyncEngine, alembic_config: Config
) -> None:
    await upgrade(alembic_config, "003")
    await run(blank, BASE, id=ONE, kind="skill", name="welding")
    await run(blank, BASE, id=TWO, kind="team", name="night shift")
    await downgrade(alembic_config, "002")
    assert await ask(blank, "SELECT string_agg(name, ',') FROM base_entity") == "welding"


@pytest.mark.parametrize("column", ["tenant", "kind", "name"])
async def test_null_is_refused_where_a_value_is_due(
    blank: AsyncEngine, alembic_config: Config, column: str
) -> None:
    await upgrade(alembic_config, "001")
    values = {"tenant": "'acme'", "kind": "'skill'", "name": "'welding'", column: "NULL"}
    with pytest.raises(IntegrityError, match=f'null value in column "{column}"'):
        await run(
            blank,
            f"INSERT INTO base_entity (id, {', '.join(values)}) VALUES ('{ONE}', {', '.join(values.values())})",
        )


async def test_a_name_is_unique_within_a_tenant_and_a_kind(
    blank: AsyncEngine, alembic_config: Config
) -> None:
    await upgrade(alembic_config, "001")
    await run(blank, BASE, id=ONE, kind="skill", name="welding")
    await run(blank, BASE, id=TWO, kind="team", name="welding")
    with pytest.raises(IntegrityError, match="uq_base_entity_tenant_kind_name"):
        await run(blank, BASE.replace(":id", "gen_random_uuid()"), kind="skill", name="welding")
    await run(
        blank, BASE.replace(":id", "gen_random_uuid()").replace("acme", "other"), kind="skill", name="welding"
    )
