"""Create what every entity has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "001"
down_revision = None
branch_labels = None
depends_on = None

# Where the database's owner may not create one (pgvector isn't trusted everywhere), a superuser has done
# so beforehand, and it is found here.
EXTENSIONS = ("vector", "pg_trgm")

# What an entity was born with stays. In the database, so that it holds for whoever writes.
KEEP_ORIGIN = """
CREATE FUNCTION keep_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.tenant, NEW.kind, NEW.created_at)
    IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.kind, OLD.created_at)
  THEN
    RAISE EXCEPTION 'id, tenant, kind and created_at of an entity never change'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""


def upgrade() -> None:
    """Create the extensions, the table, and the trigger that keeps an entity's origin."""
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    op.create_table(
        "base_entity",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column(
            "tenant", sa.Text, nullable=False, server_default=sa.text("current_setting('plant.tenant', true)")
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_base_entity"),
        sa.UniqueConstraint("tenant", "kind", "name", name="uq_base_entity_tenant_kind_name"),
        sa.UniqueConstraint("tenant", "idempotency_key", name="uq_base_entity_tenant_idempotency_key"),
        sa.CheckConstraint("tenant ~ '^[a-z0-9-]{1,63}$'", name=op.f("ck_base_entity_tenant")),
        sa.CheckConstraint(
            "kind IN ('skill', 'industry', 'team', 'job_role', 'agent')", name=op.f("ck_base_entity_kind")
        ),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("ck_base_entity_name")),
        sa.CheckConstraint("version > 0", name=op.f("ck_base_entity_version")),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_base_entity_fingerprint")),
    )
    # A part of a name is found by its trigrams.
    op.create_index(
        "ix_base_entity_name",
        "base_entity",
        ["name"],
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.execute(KEEP_ORIGIN)
    op.execute(
        "CREATE TRIGGER keep_origin BEFORE UPDATE ON base_entity FOR EACH ROW EXECUTE FUNCTION keep_origin()"
    )


def downgrade() -> None:
    """Drop the table. The extensions stay: other schemas may use them by now."""
    op.drop_table("base_entity")
    op.execute("DROP FUNCTION keep_origin")
