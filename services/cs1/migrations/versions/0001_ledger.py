"""Create accounts, transfers and entries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("overdraft", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("id", "currency", name="uq_accounts_id_currency"),
        sa.CheckConstraint(
            "kind IN ('asset', 'liability', 'equity', 'income', 'expense')", name=op.f("ck_accounts_kind")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_accounts_currency")),
        sa.CheckConstraint("overdraft >= 0", name=op.f("ck_accounts_overdraft")),
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
        sa.UniqueConstraint("idempotency_key", name="uq_transfers_idempotency_key"),
    )
    op.create_table(
        "entries",
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("transfer_id", sa.Uuid, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "number", name="pk_entries"),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name="fk_entries_transfers"),
        sa.ForeignKeyConstraint(
            ["account_id", "currency"], ["accounts.id", "accounts.currency"], name="fk_entries_accounts"
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_entries_amount")),
        sa.CheckConstraint("number > 0", name=op.f("ck_entries_number")),
    )
    op.create_index("ix_entries_transfer_id", "entries", ["transfer_id"])


def downgrade() -> None:
    """Drop the three tables, and all that was booked."""
    op.drop_table("entries")
    op.drop_table("transfers")
    op.drop_table("accounts")
