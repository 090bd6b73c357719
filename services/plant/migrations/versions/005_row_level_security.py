"""Let each tenant see and change its own rows only, the tables' owner included.

The tenant is the setting `plant.tenant` of the transaction. Where it isn't set nothing is visible and
nothing can be written. A later migration that changes rows must lift FORCE for its transaction.
"""

from __future__ import annotations

from alembic import op

revision = "005"
down_revision = "004"
branch_labels = None
depends_on = None

# Once it was set in a session, the setting is empty and not null after the transaction.
OWN = "tenant = nullif(current_setting('plant.tenant', true), '')"
# The tables of the kinds have no tenant of their own: what is visible of base_entity decides. The kind
# too, which never changes: a team can't be a skill as well.
OWN_BASE = "EXISTS (SELECT FROM base_entity b WHERE b.id = {table}.id AND b.kind = '{kind}')"
# Foreign keys look past row-level security: without this, one could refer to what one can't see.
REFERENCE = "({column} IS NULL OR EXISTS (SELECT FROM {other} o WHERE o.id = {column}))"
KINDS: dict[str, dict[str, str]] = {
    "skill_entity": {},
    "industry_entity": {},
    "team_entity": {},
    "job_role_entity": {"industry_id": "industry_entity"},
    "agent_entity": {"team_id": "team_entity", "job_role_id": "job_role_entity"},
}
TABLES = ("base_entity", *KINDS, "audit_record", "audit_head")


def upgrade() -> None:
    """Switch row-level security on, also for the owner, and create the policies."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table in ("base_entity", "audit_head"):
        op.execute(f"CREATE POLICY own_rows ON {table} USING ({OWN})")
    for table, references in KINDS.items():
        own = OWN_BASE.format(table=table, kind=table.removesuffix("_entity"))
        visible = (REFERENCE.format(column=column, other=other) for column, other in references.items())
        op.execute(
            f"CREATE POLICY own_rows ON {table} USING ({own}) WITH CHECK ({' AND '.join((own, *visible))})"
        )
    # No policy for UPDATE: the trail is append-only for whoever is subject to policies.
    op.execute(f"CREATE POLICY read_own ON audit_record FOR SELECT USING ({OWN})")
    op.execute(f"CREATE POLICY append_own ON audit_record FOR INSERT WITH CHECK ({OWN})")
    op.execute(f"CREATE POLICY prune_own ON audit_record FOR DELETE USING ({OWN})")


def downgrade() -> None:
    """Drop the policies: every row is visible to every tenant."""
    for policy in ("read_own", "append_own", "prune_own"):
        op.execute(f"DROP POLICY {policy} ON audit_record")
    for table in ("base_entity", "audit_head", *KINDS):
        op.execute(f"DROP POLICY own_rows ON {table}")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
