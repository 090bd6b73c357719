"""Row-level security, as the role that owns the tables and is no superuser."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from plant import store
from plant.audit.tables import AuditRecord
from plant.caller import Caller
from plant.connector import Connector
from plant.entities import Agent, BaseEntity, Skill, Team
from plant.errors import NotFoundError, UnknownReferenceError
from plant_embeddings import at_angle
from plant_factories import Factories

pytestmark = [pytest.mark.rls, pytest.mark.security]

TABLES = (
    "base_entity",
    "skill_entity",
    "industry_entity",
    "team_entity",
    "job_role_entity",
    "agent_entity",
    "audit_record",
    "audit_head",
)


async def become(session: AsyncSession, tenant: str) -> None:
    """Be another tenant for the rest of the transaction."""
    await session.execute(select(func.set_config("plant.tenant", tenant, True)))
    session.expunge_all()


async def refused(session: AsyncSession, statement: str, **values: Any) -> str:
    """Run a statement that must fail, and return what PostgreSQL said; the session goes on."""
    with pytest.raises(DBAPIError) as caught:
        async with session.begin_nested():
            await session.execute(text(statement), values)
    return str(caught.value.orig)


@pytest.mark.parametrize("table", TABLES)
async def test_it_is_enabled_and_forced_on_every_table(engine: AsyncEngine, table: str) -> None:
    query = text("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = CAST(:t AS regclass)")
    async with engine.connect() as connection:
        assert tuple((await connection.execute(query, {"t": table})).one()) == (True, True)


async def test_no_table_was_forgotten(engine: AsyncEngine) -> None:
    query = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relforcerowsecurity")
    async with engine.connect() as connection:
        assert set((await connection.scalars(query)).all()) == set(TABLES)
        everything = set(
            (
                await connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            ).all()
        )
    assert everything - set(TABLES) == {"alembic_version"}


async def test_the_role_owns_the_tables_and_can_t_step_around(session: AsyncSession) -> None:
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    assert await session.scalar(text(query)) is False
    owner = "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'base_entity'"
    assert await session.scalar(text(owner)) is True


async def test_a_tenant_sees_its_own_rows(session: AsyncSession, make: Factories, caller: Caller) -> None:
    made = await make.skill(name="welding")
    await become(session, caller.tenant)
    found = await session.get_one(Skill, made.id)
    assert (found.tenant, found.name) == (caller.tenant, "welding")


async def test_another_tenant_s_rows_are_hidden_in_every_table(
    session: AsyncSession, make: Factories
) -> None:
    await make.skill(embedding_384=at_angle(0))
    role = await make.job_role(industry_id=(await make.industry()).id)
    await make.agent(team_id=(await make.team()).id, job_role_id=role.id)
    counts = {table: await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in TABLES}
    assert all(counts.values())
    await become(session, "somebody-else")
    hidden = {table: await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in TABLES}
    assert hidden == dict.fromkeys(TABLES, 0)


async def test_without_a_tenant_nothing_is_visible_and_nothing_is_written(
    session: AsyncSession, make: Factories
) -> None:
    await make.team()
    await become(session, "")
    assert await session.scalar(select(func.count()).select_from(BaseEntity)) == 0
    said = await refused(
        session, "INSERT INTO base_entity (id, kind, name) VALUES (gen_random_uuid(), 'team', 'nobody')"
    )
    assert "row-level security" in said


async def test_another_tenant_s_rows_can_t_be_changed_or_removed(
    session: AsyncSession, make: Factories, caller: Caller
) -> None:
    made = await make.skill(name="welding")
    await become(session, "somebody-else")
    changed = await session.execute(
        text("UPDATE base_entity SET name = 'mine' WHERE id = :id"), {"id": made.id}
    )
    removed = await session.execute(text("DELETE FROM base_entity WHERE id = :id"), {"id": made.id})
    assert (changed.rowcount, removed.rowcount) == (0, 0)  # type: ignore[attr-defined]
    await become(session, caller.tenant)
    assert (await session.get_one(Skill, made.id)).name == "welding"


async def test_a_row_can_t_be_written_for_another_tenant(session: AsyncSession) -> None:
    insert = (
        "INSERT INTO base_entity (id, tenant, kind, name) VALUES (gen_random_uuid(), 'victim', 'team', 'x')"
    )
    assert "row-level security" in await refused(session, insert)
    forged = """INSERT INTO audit_record (tenant, entity_id, kind, action, version, actor, payload)
      VALUES ('victim', gen_random_uuid(), 'team', 'insert', 1, 'mallory', '{}')"""
    assert "row-level security" in await refused(session, forged)


async def test_a_row_can_t_be_given_to_another_tenant(session: AsyncSession, make: Factories) -> None:
    made = await make.team()
    said = await refused(session, "UPDATE base_entity SET tenant = 'victim' WHERE id = :id", id=made.id)
    assert "never change" in said or "row-level security" in said


async def test_half_of_another_tenant_s_entity_can_t_be_written(session: AsyncSession) -> None:
    base = "INSERT INTO base_entity (id, kind, name) VALUES (gen_random_uuid(), 'skill', 'half') RETURNING id"
    theirs = await session.scalar(text(base))
    await become(session, "somebody-else")
    said = await refused(session, "INSERT INTO skill_entity (id, category) VALUES (:id, 'x')", id=theirs)
    assert "row-level security" in said


async def test_an_entity_can_t_be_of_two_kinds(session: AsyncSession, make: Factories) -> None:
    team = await make.team()
    said = await refused(session, "INSERT INTO skill_entity (id, category) VALUES (:id, 'x')", id=team.id)
    assert "row-level security" in said


async def test_a_reference_to_what_is_hidden_is_refused_by_code_and_database(
    session: AsyncSession, make: Factories
) -> None:
    theirs = await make.team()
    await become(session, "somebody-else")
    with pytest.raises(UnknownReferenceError, match="team_id"):
        await store.create(session, Agent(name="mole", team_id=theirs.id), fingerprint=bytes(32))
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with session.begin_nested():
            await make.agent(name="mole", team_id=theirs.id)


async def test_two_tenants_may_use_the_same_name(session: AsyncSession, make: Factories) -> None:
    await make.team(name="night shift")
    await become(session, "somebody-else")
    await make.team(name="night shift")
    assert list(await session.scalars(select(Team.tenant))) == ["somebody-else"]


async def test_a_tenant_s_setting_ends_with_its_transaction(connector: Connector, caller: Caller) -> None:
    async with connector.session(caller) as session:
        made = await Factories(session).team()
    with pytest.raises(NotFoundError):
        async with connector.session(Caller(tenant="somebody-else")) as session:
            await store.get(session, Team, made.id)
    async with connector.engine.connect() as connection:  # the same pooled connection, without a tenant
        assert await connection.scalar(text("SELECT current_setting('plant.tenant', true)")) in {"", None}
        assert await connection.scalar(text("SELECT count(*) FROM base_entity")) == 0


async def test_the_trail_can_only_be_appended_to(session: AsyncSession, make: Factories) -> None:
    await make.team()
    for statement in (
        "UPDATE audit_record SET actor = 'nobody'",
        "TRUNCATE audit_record",
        "DELETE FROM audit_record",
        "UPDATE audit_head SET sequence = 0",
        "DELETE FROM audit_head",
    ):
        assert await refused(session, statement), statement
    assert await session.scalar(select(func.count()).select_from(AuditRecord)) == 1


BAD_ROWS = {
    "ck_base_entity_tenant": ("UPPER", "team", "x", None),
    "ck_base_entity_kind": (None, "robot", "x", None),
    "ck_base_entity_name": (None, "team", "  ", None),
    "ck_base_entity_version": (None, "team", "x", "version"),
    "ck_base_entity_fingerprint": (None, "team", "x", "fingerprint"),
}


@pytest.mark.parametrize("constraint", sorted(BAD_ROWS))
async def test_each_constraint_of_the_base_is_violated_and_caught(
    session: AsyncSession, constraint: str
) -> None:
    tenant, kind, name, odd = BAD_ROWS[constraint]
    if tenant is not None:
        await become(session, tenant)
    column, value = {"version": (", version", ", 0"), "fingerprint": (", fingerprint", ", '\\x00'")}.get(
        odd or "", ("", "")
    )
    statement = (
        f"INSERT INTO base_entity (id, kind, name{column}) VALUES (gen_random_uuid(), :kind, :name{value})"
    )
    assert constraint in await refused(session, statement, kind=kind, name=name)


@pytest.mark.parametrize(
    ("constraint", "kind", "values"),
    [
        ("ck_skill_entity_category", "skill", {"category": " "}),
        ("ck_industry_entity_sector", "industry", {"sector": ""}),
        ("ck_team_entity_capacity", "team", {"capacity": 0}),
        ("ck_job_role_entity_seniority", "job_role", {"seniority": "intern"}),
        ("ck_agent_entity_status", "agent", {"status": "asleep"}),
    ],
)
async def test_each_constraint_of_a_kind_is_violated_and_caught(
    make: Factories, constraint: str, kind: str, values: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        await getattr(make, kind)(**values)
