"""Create industries, teams, job roles and agents."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR

revision = "003"
down_revision = "002"
branch_labels = None
depends_on = None

REFERENCES = {
    "job_role_entity": {"industry_id": "industry_entity"},
    "agent_entity": {"team_id": "team_entity", "job_role_id": "job_role_entity"},
}


def entity_table(name: str, *columns: sa.Column[Any], check: str) -> None:
    """Create the table of one kind. `check` is of its first column."""
    references = REFERENCES.get(name, {})
    op.create_table(
        name,
        sa.Column("id", sa.Uuid, nullable=False),
        *columns,
        *(sa.Column(column, sa.Uuid) for column in references),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["id"], ["base_entity.id"], name=f"fk_{name}_id", ondelete="CASCADE"),
        # RESTRICT: an entity that others refer to is let go by them first, and the trail tells so.
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{other}.id"], name=f"fk_{name}_{column}", ondelete="RESTRICT"
            )
            for column, other in references.items()
        ),
        sa.CheckConstraint(check, name=op.f(f"ck_{name}_{columns[0].name}")),
    )
    for column in references:
        op.create_index(f"ix_{name}_{column}", name, [column])


def upgrade() -> None:
    """Create the tables, those first that others refer to."""
    entity_table("industry_entity", sa.Column("sector", sa.Text, nullable=False), check="btrim(sector) <> ''")
    entity_table(
        "team_entity", sa.Column("capacity", sa.Integer, nullable=False), check="capacity BETWEEN 1 AND 1000"
    )
    entity_table(
        "job_role_entity",
        sa.Column("seniority", sa.Text, nullable=False),
        sa.Column("embedding_384", VECTOR(384)),
        sa.Column("requirements_embedding_384", VECTOR(384)),
        check="seniority IN ('junior', 'senior', 'lead')",
    )
    entity_table(
        "agent_entity",
        sa.Column("status", sa.Text, nullable=False, server_default="idle"),
        check="status IN ('idle', 'active', 'retired')",
    )


def downgrade() -> None:
    """Drop the tables, and what base_entity holds of their rows."""
    for kind in ("agent", "job_role", "team", "industry"):
        op.drop_table(f"{kind}_entity")
    op.execute("DELETE FROM base_entity WHERE kind IN ('agent', 'job_role', 'team', 'industry')")
