"""The tables, as migrations/versions creates them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    SmallInteger,
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

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("overdraft", BigInteger, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("kind IN ('asset', 'liability', 'equity', 'income', 'expense')", name="kind"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("overdraft >= 0", name="overdraft"),
    UniqueConstraint("id", "currency"),  # what entries refer to, so that an entry can't change currency
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("description", Text, nullable=False),
    Column("posted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# `amount` is signed: debits above zero, credits below. `number` counts an account's entries from 1;
# `balance` is the sum of its amounts up to this entry. The primary key is a second guard beside the
# account's lock: two transfers that both saw the same last entry can't both be written.
entries = Table(
    "entries",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("transfer_id", Uuid, ForeignKey("transfers.id"), nullable=False, index=True),
    Column("position", SmallInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    ForeignKeyConstraint(["account_id", "currency"], ["accounts.id", "accounts.currency"]),
    CheckConstraint("amount <> 0", name="amount"),
    CheckConstraint("number > 0", name="number"),
)
