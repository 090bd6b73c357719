"""Create skills, with their embeddings and the index that searches them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR

revision = "002"
down_revision = "001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its HNSW index.

    HNSW rather than IVFFlat: it needs no rows to learn from, so that it can be created with the table.
    """
    op.create_table(
        "skill_entity",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("embedding_384", VECTOR(384)),
        sa.PrimaryKeyConstraint("id", name="pk_skill_entity"),
        sa.ForeignKeyConstraint(["id"], ["base_entity.id"], name="fk_skill_entity_id", ondelete="CASCADE"),
        sa.CheckConstraint("btrim(category) <> ''", name=op.f("ck_skill_entity_category")),
    )
    op.create_index(
        "ix_skill_entity_embedding_384",
        "skill_entity",
        ["embedding_384"],
        postgresql_using="hnsw",
        postgresql_ops={"embedding_384": "vector_cosine_ops"},
    )


def downgrade() -> None:
    """Drop the table, and the skills of base_entity with it."""
    op.drop_table("skill_entity")
    op.execute("DELETE FROM base_entity WHERE kind = 'skill'")
