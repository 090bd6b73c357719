"""The tables, as migrations/versions creates them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

hires = Table(
    "hires",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("skill", Text, nullable=False),
    Column("payer", Uuid, nullable=False),
    Column("payee", Uuid, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("agent_id", Uuid),
    Column("agent_name", Text),
    Column("transfer_id", Uuid),
    Column("reason", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("client", "idempotency_key"),
    CheckConstraint("fee > 0", name="fee"),
    CheckConstraint("state IN ('accepted', 'matched', 'done', 'rejected')", name="state"),
    CheckConstraint("state NOT IN ('matched', 'done') OR agent_id IS NOT NULL", name="agent"),
    CheckConstraint("(state = 'done') = (transfer_id IS NOT NULL)", name="transfer"),
    CheckConstraint("(state = 'rejected') = (reason IS NOT NULL)", name="reason"),
)

# A row stands for work that isn't done: written with its hire in one transaction, deleted in the one
# that brings the hire to its end.
outbox = Table(
    "outbox",
    metadata,
    Column("hire_id", Uuid, ForeignKey("hires.id"), primary_key=True),
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Index("ix_outbox_due_at", "due_at"),
)

plans = Table(
    "plans",
    metadata,
    Column("client", Text, primary_key=True),
    Column("per_second", Integer, nullable=False),
    Column("burst", Integer, nullable=False),
    CheckConstraint("per_second BETWEEN 1 AND 100000 AND burst BETWEEN 1 AND 1000000", name="limits"),
)
