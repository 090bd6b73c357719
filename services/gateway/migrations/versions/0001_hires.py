"""Create hires, their outbox, and the plans of clients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.func.now()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "hires",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("skill", sa.Text, nullable=False),
        sa.Column("payer", sa.Uuid, nullable=False),
        sa.Column("payee", sa.Uuid, nullable=False),
        sa.Column("fee", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Uuid),
        sa.Column("agent_name", sa.Text),
        sa.Column("transfer_id", sa.Uuid),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint("id", name="pk_hires"),
        sa.UniqueConstraint("client", "idempotency_key", name="uq_hires_client_idempotency_key"),
        sa.CheckConstraint("fee > 0", name=op.f("ck_hires_fee")),
        sa.CheckConstraint(
            "state IN ('accepted', 'matched', 'done', 'rejected')", name=op.f("ck_hires_state")
        ),
        sa.CheckConstraint(
            "state NOT IN ('matched', 'done') OR agent_id IS NOT NULL", name=op.f("ck_hires_agent")
        ),
        sa.CheckConstraint("(state = 'done') = (transfer_id IS NOT NULL)", name=op.f("ck_hires_transfer")),
        sa.CheckConstraint("(state = 'rejected') = (reason IS NOT NULL)", name=op.f("ck_hires_reason")),
    )
    op.create_table(
        "outbox",
        sa.Column("hire_id", sa.Uuid, nullable=False),
        sa.Column("queued_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("due_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("published_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("hire_id", name="pk_outbox"),
        sa.ForeignKeyConstraint(["hire_id"], ["hires.id"], name="fk_outbox_hires"),
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"])
    op.create_table(
        "plans",
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("per_second", sa.Integer, nullable=False),
        sa.Column("burst", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("client", name="pk_plans"),
        sa.CheckConstraint(
            "per_second BETWEEN 1 AND 100000 AND burst BETWEEN 1 AND 1000000", name=op.f("ck_plans_limits")
        ),
    )


def downgrade() -> None:
    """Drop the three tables, and every hire."""
    op.drop_table("plans")
    op.drop_table("outbox")
    op.drop_table("hires")
