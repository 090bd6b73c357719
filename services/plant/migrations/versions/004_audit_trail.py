"""Create the audit trail: append-only, chained by the database itself.

Sequence, time and hashes are computed here, under a lock on the tenant's head, so that no writer can
forge them and concurrent ones can't fork the chain. Nor can they forget one: a transaction that changed
an entity without a record of it isn't committed. The lock is a row's, not an advisory one: under
REPEATABLE READ a writer with an old snapshot then fails with 40001, instead of reading an old head.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "004"
down_revision = "003"
branch_labels = None
depends_on = None

TENANT = sa.text("current_setting('plant.tenant', true)")
GENESIS = sa.text(f"decode('{bytes(32).hex()}', 'hex')")

# How long a record must stay. Not a setting: whoever may prune could change it first.
RETENTION = """
CREATE FUNCTION audit_retention() RETURNS interval IMMUTABLE LANGUAGE sql AS $$ SELECT interval '365 days' $$
"""

# Each field with its length in bytes in front; plant/audit/chain.py computes the same.
FIELD = """
CREATE FUNCTION audit_field(value text) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$
  SELECT octet_length(value) || ':' || value
$$
"""
HASH = """
CREATE FUNCTION audit_hash(r audit_record) RETURNS bytea STABLE LANGUAGE sql AS $$
  SELECT sha256(convert_to(
    audit_field(r.tenant) || audit_field(r.sequence::text) || audit_field(r.entity_id::text)
    || audit_field(r.kind) || audit_field(r.action) || audit_field(r.version::text) || audit_field(r.actor)
    || audit_field(r.payload::text)
    || audit_field((extract(epoch FROM r.recorded_at) * 1000000)::bigint::text)
    || audit_field(encode(r.previous_hash, 'hex')), 'UTF8'))
$$
"""
APPEND = """
CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  head audit_head;
BEGIN
  INSERT INTO audit_head (tenant) VALUES (NEW.tenant) ON CONFLICT DO NOTHING;
  SELECT * INTO STRICT head FROM audit_head WHERE tenant = NEW.tenant FOR UPDATE;
  NEW.transaction := pg_current_xact_id()::text::bigint;
  NEW.sequence := head.sequence + 1;
  NEW.recorded_at := clock_timestamp();
  NEW.previous_hash := head.hash;
  NEW.record_hash := audit_hash(NEW);
  UPDATE audit_head SET sequence = NEW.sequence, hash = NEW.record_hash WHERE tenant = NEW.tenant;
  RETURN NEW;
END $$
"""
REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail allows no % of %', lower(TG_OP), TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$
"""
# What is old enough may go, from the chain's beginning only; the head remembers where it goes on.
RETIRE = """
CREATE FUNCTION audit_retire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.recorded_at > clock_timestamp() - audit_retention() THEN
    RAISE EXCEPTION 'the audit trail keeps a record for %', audit_retention()
      USING ERRCODE = 'restrict_violation';
  END IF;
  UPDATE audit_head SET pruned_sequence = OLD.sequence, pruned_hash = OLD.record_hash
    WHERE tenant = OLD.tenant AND pruned_sequence = OLD.sequence - 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the audit trail is pruned from its beginning, record by record'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$
"""
PRUNE = """
CREATE FUNCTION audit_prune(before timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  old record;
  pruned integer := 0;
BEGIN
  PERFORM FROM audit_head ORDER BY tenant FOR UPDATE;
  FOR old IN
    SELECT tenant, sequence FROM audit_record WHERE recorded_at < before ORDER BY tenant, sequence
  LOOP
    DELETE FROM audit_record WHERE tenant = old.tenant AND sequence = old.sequence;
    pruned := pruned + 1;
  END LOOP;
  RETURN pruned;
END $$
"""
# Only the triggers of audit_record move a head: a statement of its own is one level deep.
GUARD = """
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP IN ('DELETE', 'TRUNCATE') OR pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'the head of the audit trail moves with its records only'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$
"""
# Asked when the transaction ends: the ORM writes its records after the rows.
INSIST = """
CREATE FUNCTION audit_insist() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END;
BEGIN
  IF NOT EXISTS (
    SELECT FROM audit_record WHERE entity_id = changed AND action = lower(TG_OP)
      AND transaction = pg_current_xact_id()::text::bigint)
  THEN
    RAISE EXCEPTION 'the audit trail has no record of this % of %', lower(TG_OP), TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$
"""
ENTITIES = (
    "base_entity",
    "skill_entity",
    "industry_entity",
    "team_entity",
    "job_role_entity",
    "agent_entity",
)
TRIGGERS = (
    ("append BEFORE INSERT ON audit_record", "ROW EXECUTE FUNCTION audit_append()"),
    ("append_only BEFORE UPDATE OR TRUNCATE ON audit_record", "STATEMENT EXECUTE FUNCTION audit_refuse()"),
    ("retire BEFORE DELETE ON audit_record", "ROW EXECUTE FUNCTION audit_retire()"),
    (
        "guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON audit_head",
        "STATEMENT EXECUTE FUNCTION audit_guard()",
    ),
)
ENTITY_TRIGGERS = {
    "recorded": """CREATE CONSTRAINT TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON {table}
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_insist()""",
    "no_truncate": """CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table}
      FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
}
FUNCTIONS = (
    "audit_prune(timestamptz)",
    "audit_hash(audit_record)",
    "audit_append()",
    "audit_refuse()",
    "audit_retire()",
    "audit_guard()",
    "audit_insist()",
    "audit_field(text)",
    "audit_retention()",
)


def upgrade() -> None:
    """Create tables, functions and triggers."""
    create_tables()
    for function in (RETENTION, FIELD, HASH, APPEND, REFUSE, RETIRE, PRUNE, GUARD, INSIST):
        op.execute(function)
    for event, action in TRIGGERS:
        op.execute(f"CREATE TRIGGER {event} FOR EACH {action}")
    for table in ENTITIES:
        for statement in ENTITY_TRIGGERS.values():
            op.execute(statement.format(table=table))


def create_tables() -> None:
    """Create the records, and the head of each tenant's chain."""
    op.create_table(
        "audit_record",
        sa.Column("tenant", sa.Text, nullable=False, server_default=TENANT),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("entity_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary, nullable=False),
        sa.Column("record_hash", sa.LargeBinary, nullable=False),
        # For audit_insist alone, and so not hashed: it means nothing once the transaction has ended.
        sa.Column("transaction", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sequence", name="pk_audit_record"),
        sa.UniqueConstraint("tenant", "previous_hash", name="uq_audit_record_tenant_previous_hash"),
        sa.CheckConstraint("action IN ('insert', 'update', 'delete')", name=op.f("ck_audit_record_action")),
        sa.CheckConstraint("btrim(actor) <> ''", name=op.f("ck_audit_record_actor")),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_audit_record_sequence")),
        sa.CheckConstraint(
            "octet_length(previous_hash) = 32 AND octet_length(record_hash) = 32",
            name=op.f("ck_audit_record_hash"),
        ),
    )
    op.create_index("ix_audit_record_entity_id_sequence", "audit_record", ["entity_id", "sequence"])
    op.create_index("ix_audit_record_recorded_at", "audit_record", ["recorded_at"])
    op.create_table(
        "audit_head",
        sa.Column("tenant", sa.Text, nullable=False, server_default=TENANT),
        sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("hash", sa.LargeBinary, nullable=False, server_default=GENESIS),
        sa.Column("pruned_sequence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("pruned_hash", sa.LargeBinary, nullable=False, server_default=GENESIS),
        sa.PrimaryKeyConstraint("tenant", name="pk_audit_head"),
    )


def downgrade() -> None:
    """Drop the trail, and all that it could prove."""
    for table in ENTITIES:
        for trigger in ENTITY_TRIGGERS:
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in FUNCTIONS[:2]:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("audit_record")
    op.drop_table("audit_head")
    for function in FUNCTIONS[2:]:
        op.execute(f"DROP FUNCTION {function}")
