"""The tables of the audit trail; what fills and guards them are triggers of migration 004."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, FetchedValue, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from plant.audit.chain import GENESIS
from plant.entities import TENANT, Base

GENESIS_SQL = text(f"decode('{GENESIS.hex()}', 'hex')")


class AuditRecord(Base):
    """One change. Sequence, time and hashes are the database's: what an INSERT says is ignored."""

    __tablename__ = "audit_record"

    tenant: Mapped[str] = mapped_column(primary_key=True, server_default=TENANT)
    sequence: Mapped[int] = mapped_column(BigInteger, FetchedValue(), primary_key=True, autoincrement=False)
    entity_id: Mapped[UUID]
    kind: Mapped[str]
    action: Mapped[str]
    version: Mapped[int]
    actor: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    recorded_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=FetchedValue())
    record_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=FetchedValue())
    transaction: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())

    __table_args__: Any = (
        # Two records that follow the same one would be a fork.
        UniqueConstraint("tenant", "previous_hash"),
        CheckConstraint("action IN ('insert', 'update', 'delete')", name="action"),
        CheckConstraint("btrim(actor) <> ''", name="actor"),
        CheckConstraint("sequence > 0", name="sequence"),
        CheckConstraint("octet_length(previous_hash) = 32 AND octet_length(record_hash) = 32", name="hash"),
        Index("ix_audit_record_entity_id_sequence", "entity_id", "sequence"),
        Index("ix_audit_record_recorded_at", "recorded_at"),
    )


class AuditHead(Base):
    """The end of each tenant's chain: its lock while a record is appended, and the proof of its length."""

    __tablename__ = "audit_head"

    tenant: Mapped[str] = mapped_column(primary_key=True, server_default=TENANT)
    sequence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=GENESIS_SQL)
    pruned_sequence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    pruned_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=GENESIS_SQL)
