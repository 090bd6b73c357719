"""A record for every change, in a chain that shows whether it was touched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import Executable, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from plant.audit import trail
from plant.audit.chain import GENESIS, Break, Fault, Head, Record, hash_of
from plant.audit.tables import AuditRecord
from plant.caller import Caller
from plant.connector import SNAPSHOT, Connector
from plant.embeddings import digest
from plant.entities import BaseEntity, Team
from plant_embeddings import at_angle
from plant_factories import Factories

pytestmark = pytest.mark.security

# What somebody with the owner's rights would do who wants to change history.
FORGE = (
    "ALTER TABLE audit_record DISABLE TRIGGER USER",
    "ALTER TABLE audit_head DISABLE TRIGGER USER",
    "ALTER TABLE audit_record NO FORCE ROW LEVEL SECURITY",
)


async def tamper(session: AsyncSession, *statements: str) -> None:
    for statement in (*FORGE, *statements, "ALTER TABLE audit_record FORCE ROW LEVEL SECURITY"):
        await session.execute(text(statement))


async def three_changes(make: Factories) -> UUID:
    """Insert a team, change it, remove it; return its id."""
    team = await make.team(name="night shift")
    team.description = "from ten to six"
    await make.session.flush()
    await make.session.delete(team)
    await make.session.flush()
    return team.id


async def records(session: AsyncSession) -> Sequence[Record]:
    return await trail.page(session, limit=200)


async def test_a_record_is_written_when_an_entity_is_inserted(
    session: AsyncSession, make: Factories, caller: Caller
) -> None:
    made = await make.skill(name="welding", category="metal", embedding_384=at_angle(3))
    [row] = (await session.scalars(select(AuditRecord))).all()
    assert (row.entity_id, row.kind, row.action, row.version) == (made.id, "skill", "insert", 1)
    assert (row.tenant, row.actor, row.sequence) == (caller.tenant, "tester", 1)
    assert row.payload == {
        "name": "welding",
        "description": "",
        "category": "metal",
        "embedding_384": digest(at_angle(3)),
    }


async def test_every_change_has_its_record_with_the_entity_s_version(
    session: AsyncSession, make: Factories
) -> None:
    entity_id = await three_changes(make)
    found = [(each.action, each.version) for each in await trail.page(session, entity_id=entity_id)]
    assert found == [("insert", 1), ("update", 2), ("delete", 2)]


async def test_a_change_that_changes_nothing_leaves_no_record(session: AsyncSession, make: Factories) -> None:
    team = await make.team(name="night shift")
    team.name = "night shift"
    await session.flush()
    assert len(await records(session)) == 1


PAST_THE_ORM: dict[str, Executable] = {
    "an update of the base": update(BaseEntity).values(name="forgotten"),
    "an update of a kind": update(Team).values(capacity=99),
    "a removal": delete(BaseEntity),
    "a removal of the kind's row": text("DELETE FROM team_entity"),
    "an insertion": insert(BaseEntity).values(kind="team", name="forgotten"),
}


@pytest.mark.parametrize("change", sorted(PAST_THE_ORM))
async def test_a_change_that_passes_the_orm_by_isn_t_committed_without_a_record(
    connector: Connector, caller: Caller, change: str
) -> None:
    async with connector.session(caller) as session:
        made = await Factories(session).team(name="night shift")
    with pytest.raises(IntegrityError, match="the audit trail has no record"):
        async with connector.session(caller) as session:
            await session.execute(PAST_THE_ORM[change])
    async with connector.session(caller) as session:
        assert [each.name for each in await session.scalars(select(BaseEntity))] == ["night shift"]
        assert (await session.get_one(Team, made.id)).capacity == 8


async def test_a_record_of_another_transaction_doesn_t_count(connector: Connector, caller: Caller) -> None:
    async with connector.session(caller) as session:
        team = await Factories(session).team()
        team.description = "recorded"
    with pytest.raises(IntegrityError, match="no record of this update"):
        async with connector.session(caller) as session:
            await session.execute(update(BaseEntity).values(description="forgotten"))


@pytest.mark.parametrize("table", ["base_entity", "skill_entity"])
async def test_entities_can_t_be_truncated(session: AsyncSession, table: str) -> None:
    with pytest.raises(IntegrityError, match=f"allows no truncate of {table}"):
        await session.execute(text(f"TRUNCATE {table} CASCADE"))


async def test_what_is_rolled_back_leaves_no_record_and_no_gap(
    session: AsyncSession, make: Factories
) -> None:
    await make.team()
    savepoint = await session.begin_nested()
    await make.team()
    await savepoint.rollback()
    await make.team()
    assert [each.sequence for each in await records(session)] == [1, 2]
    assert (await trail.check(session)).intact


async def test_times_and_numbers_are_the_database_s_whatever_the_writer_says(session: AsyncSession) -> None:
    forged = """INSERT INTO audit_record (sequence, entity_id, kind, action, version, actor, payload,
        recorded_at, previous_hash, record_hash)
      VALUES (99, gen_random_uuid(), 'team', 'insert', 1, 'mallory', '{}',
        '1999-01-01', decode(repeat('00', 32), 'hex'), decode(repeat('ff', 32), 'hex'))"""
    await session.execute(text(forged))
    [record] = await records(session)
    assert record.sequence == 1
    assert datetime.now(timezone.utc) - record.recorded_at < timedelta(minutes=1)
    assert record.record_hash == hash_of(record)


@pytest.mark.parametrize("column", ["created_at", "id", "kind"])
async def test_an_entity_s_origin_never_changes(session: AsyncSession, make: Factories, column: str) -> None:
    await make.team()
    value = {"created_at": "now() - interval '1 day'", "id": "gen_random_uuid()", "kind": "'agent'"}[column]
    with pytest.raises(DBAPIError, match="never change"):
        await session.execute(text(f"UPDATE base_entity SET {column} = {value}"))


async def test_a_change_moves_updated_at_and_leaves_created_at(connector: Connector, caller: Caller) -> None:
    async with connector.session(caller) as session:
        made = await Factories(session).team()
    async with connector.session(caller) as session:
        team = await session.get_one(Team, made.id)
        team.description = "changed"
        await session.flush()
        assert team.created_at == made.created_at
        assert team.updated_at > made.updated_at


async def test_each_record_follows_the_hash_of_the_one_before(session: AsyncSession, make: Factories) -> None:
    await three_changes(make)
    found = await records(session)
    assert [each.previous_hash for each in found] == [GENESIS, *(each.record_hash for each in found[:-1])]
    assert [hash_of(each) for each in found] == [each.record_hash for each in found]
    verdict = await trail.check(session)
    assert (verdict.intact, verdict.records, verdict.head) == (True, 3, found[-1].record_hash)


async def test_database_and_code_agree_on_the_hash_of_any_text(
    session: AsyncSession, make: Factories
) -> None:
    await make.team(name='Ärger "mit" \\ 漢字 🎯\n\ttab', description="{}\u2028'; --")
    assert (await trail.check(session)).intact


@pytest.mark.parametrize("statement", ["UPDATE audit_record SET actor = 'x'", "DELETE FROM audit_record"])
async def test_records_can_t_be_changed_or_removed(
    session: AsyncSession, make: Factories, statement: str
) -> None:
    await make.team()
    with pytest.raises(DBAPIError, match="audit trail"):
        async with session.begin_nested():
            await session.execute(text(statement))
    assert (await trail.check(session)).records == 1


FORGERIES = {
    "an altered payload": ("UPDATE audit_record SET payload = '{}' WHERE sequence = 2", 2, Break.ALTERED),
    "an altered actor": ("UPDATE audit_record SET actor = 'x' WHERE sequence = 1", 1, Break.ALTERED),
    "a moved time": (
        "UPDATE audit_record SET recorded_at = recorded_at - interval '1 us' WHERE sequence = 3",
        3,
        Break.ALTERED,
    ),
    "a removed record": ("DELETE FROM audit_record WHERE sequence = 2", 3, Break.MISSING),
    "a removed beginning": ("DELETE FROM audit_record WHERE sequence = 1", 2, Break.MISSING),
    "a removed end": ("DELETE FROM audit_record WHERE sequence = 3", 3, Break.TRUNCATED),
}


@pytest.mark.parametrize("forgery", sorted(FORGERIES))
async def test_tampering_is_found_and_placed(session: AsyncSession, make: Factories, forgery: str) -> None:
    await three_changes(make)
    statement, sequence, kind = FORGERIES[forgery]
    await tamper(session, statement)
    verdict = await trail.check(session)
    assert not verdict.intact
    assert verdict.faults[0] == Fault(sequence=sequence, kind=kind)


async def test_a_forger_who_recomputes_one_hash_breaks_the_next_link(
    session: AsyncSession, make: Factories
) -> None:
    await three_changes(make)
    await tamper(
        session,
        "UPDATE audit_record SET actor = 'x' WHERE sequence = 2",
        "UPDATE audit_record r SET record_hash = audit_hash(r) WHERE sequence = 2",
    )
    verdict = await trail.check(session)
    assert verdict.faults == (Fault(sequence=3, kind=Break.UNLINKED),)


@pytest.mark.parametrize("index", ["ix_audit_record_entity_id_sequence", "ix_audit_record_recorded_at"])
async def test_one_entity_s_history_and_old_records_are_found_by_an_index(
    session: AsyncSession, index: str
) -> None:
    queries = {
        "ix_audit_record_entity_id_sequence": f"WHERE entity_id = '{uuid4()}' ORDER BY sequence",
        "ix_audit_record_recorded_at": "WHERE recorded_at < now() - interval '1 year'",
    }
    for setting in ("enable_seqscan", "enable_bitmapscan"):
        await session.execute(text(f"SET LOCAL {setting} = off"))
    # As the owner sees it, or the tenant's primary key would do.
    await session.execute(text("ALTER TABLE audit_record NO FORCE ROW LEVEL SECURITY"))
    plan = "\n".join(await session.scalars(text(f"EXPLAIN SELECT * FROM audit_record {queries[index]}")))
    assert index in plan


async def test_records_younger_than_the_retention_period_stay(session: AsyncSession, make: Factories) -> None:
    assert await session.scalar(select(func.audit_retention())) == timedelta(days=365)
    await make.team()
    with pytest.raises(DBAPIError, match="365 days"):
        await trail.prune(session, datetime.now(timezone.utc))


async def test_pruning_what_is_old_keeps_the_chain_whole(session: AsyncSession, make: Factories) -> None:
    for _ in range(4):
        await make.team()
    # A year that has passed for all: no test waits for it.
    await session.execute(
        text(
            "CREATE OR REPLACE FUNCTION audit_retention() RETURNS interval IMMUTABLE LANGUAGE sql "
            "AS $$ SELECT interval '0' $$"
        )
    )
    second = (await records(session))[1]
    assert await trail.prune(session, second.recorded_at + timedelta(microseconds=1)) == 2
    head = await trail.head(session)
    assert (head.pruned_sequence, head.pruned_hash) == (2, second.record_hash)
    verdict = await trail.check(session)
    assert (verdict.intact, verdict.records) == (True, 2)


async def test_pruning_from_the_middle_is_refused(session: AsyncSession, make: Factories) -> None:
    await three_changes(make)
    await session.execute(
        text(
            "CREATE OR REPLACE FUNCTION audit_retention() RETURNS interval IMMUTABLE LANGUAGE sql "
            "AS $$ SELECT interval '0' $$"
        )
    )
    with pytest.raises(DBAPIError, match="from its beginning"):
        await session.execute(text("DELETE FROM audit_record WHERE sequence = 2"))


async def test_records_are_in_the_order_in_which_they_were_written(
    connector: Connector, caller: Caller
) -> None:
    async def write(number: int) -> None:
        async with connector.session(caller) as session:
            await Factories(session).team(name=f"team {number}")

    await asyncio.gather(*(write(number) for number in range(8)))
    async with connector.session(caller, isolation=SNAPSHOT, read_only=True) as session:
        found = await records(session)
        assert [each.sequence for each in found] == list(range(1, 9))
        assert [each.recorded_at for each in found] == sorted(each.recorded_at for each in found)
        assert (await trail.check(session)).intact


async def test_a_record_that_is_appended_during_a_check_is_no_tampering(
    http: httpx2.AsyncClient, connector: Connector, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two queries of a check, the head's and the records', another transaction writes."""
    async with connector.session(caller) as session:
        await Factories(session).team(name="before")
    read_head = trail.head

    async def head_then_write(session: AsyncSession) -> Head:
        found = await read_head(session)
        async with connector.session(caller) as writer:
            await Factories(writer).team(name="between")
        return found

    monkeypatch.setattr(trail, "head", head_then_write)
    verdict = (await http.get("/audit/verify")).json()
    assert (verdict["intact"], verdict["records"]) == (True, 1)


async def test_every_tenant_has_a_chain_of_its_own(connector: Connector, caller: Caller) -> None:
    other = Caller(tenant=f"{caller.tenant}-2")
    for number, each in enumerate((caller, other, caller)):
        async with connector.session(each) as session:
            await Factories(session).team(name=f"team {number}")
    counts = []
    for each in (caller, other):
        async with connector.session(each, isolation=SNAPSHOT) as session:
            verdict = await trail.check(session)
            counts.append((verdict.intact, verdict.records))
    assert counts == [(True, 2), (True, 1)]
