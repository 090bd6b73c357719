"""Read, check and prune a tenant's audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from plant.audit.chain import Head, Record, Verdict, verify
from plant.audit.tables import AuditHead, AuditRecord

BATCH = 500  # records on their way at once while a chain is checked


async def page(
    session: AsyncSession, *, after: int = 0, limit: int = 50, entity_id: UUID | None = None
) -> list[Record]:
    """Return the records after a sequence number, oldest first."""
    query = _records().where(AuditRecord.sequence > after).limit(limit)
    if entity_id is not None:
        query = query.where(AuditRecord.entity_id == entity_id)
    return [_record(row) for row in await session.execute(query)]


async def check(session: AsyncSession) -> Verdict:
    """Check the whole chain of the session's tenant.

    The session must read from one snapshot (REPEATABLE READ): records that are appended, or pruned,
    between two queries would look like a break.
    """
    return await verify(_all(session), await head(session))


async def head(session: AsyncSession) -> Head:
    """Return the end of the chain; a tenant without records has an empty one."""
    columns = (AuditHead.sequence, AuditHead.hash, AuditHead.pruned_sequence, AuditHead.pruned_hash)
    row = (await session.execute(select(*columns))).one_or_none()
    return Head(**row._mapping) if row else Head()  # noqa: SLF001  a public name of SQLAlchemy's rows


async def prune(session: AsyncSession, before: datetime) -> int:
    """Remove records older than a moment, oldest first, and return how many.

    The database refuses what is younger than its retention period (sqlalchemy.exc.DBAPIError). The
    head remembers where the chain goes on, so that it can still be checked.
    """
    return int(await session.scalar(select(func.audit_prune(before))) or 0)


def _records() -> Select[Any]:
    columns = [each for each in AuditRecord.__table__.c if each.name not in ("payload", "transaction")]
    payload = cast(AuditRecord.payload, Text).label("payload")  # as it was hashed
    return select(*columns, payload).order_by(AuditRecord.sequence)


async def _all(session: AsyncSession) -> AsyncIterator[Record]:
    async for row in await session.stream(_records(), execution_options={"yield_per": BATCH}):
        yield _record(row)


def _record(row: Row[Any]) -> Record:
    return Record(**row._mapping)  # noqa: SLF001  a public name of SQLAlchemy's rows
