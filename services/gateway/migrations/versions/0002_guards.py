"""Let the database itself refuse what must never happen to a hire."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What was asked for never changes: its idempotency key at cs1 stands for exactly that transfer.
# An end is an end, and nothing goes back: an agent who was found stays the one who is paid for.
STEPS = """
CREATE FUNCTION check_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'hires are kept' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.id, NEW.client, NEW.idempotency_key, NEW.fingerprint, NEW.skill, NEW.payer, NEW.payee, NEW.fee)
    IS DISTINCT FROM
    (OLD.id, OLD.client, OLD.idempotency_key, OLD.fingerprint, OLD.skill, OLD.payer, OLD.payee, OLD.fee)
  THEN
    RAISE EXCEPTION 'hire % is what it was asked to be', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.state || ' ' || NEW.state NOT IN
    ('accepted matched', 'accepted rejected', 'matched done', 'matched rejected')
  THEN
    RAISE EXCEPTION 'hire % is %: it can''t become %', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""

# Deferred to the commit: an unfinished hire without its outbox row would never be worked on.
QUEUED = """
CREATE FUNCTION check_queued() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  subject uuid;
BEGIN
  IF TG_TABLE_NAME = 'hires' THEN
    subject := NEW.id;
  ELSE
    subject := OLD.hire_id;
  END IF;
  IF EXISTS (
    SELECT FROM hires h WHERE h.id = subject
    AND (h.state IN ('accepted', 'matched')) <> EXISTS (SELECT FROM outbox WHERE hire_id = h.id)
  ) THEN
    RAISE EXCEPTION 'hire % and its outbox row contradict each other', subject
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Create the triggers."""
    op.execute(STEPS)
    op.execute(QUEUED)
    op.execute(
        "CREATE TRIGGER steps BEFORE UPDATE OR DELETE ON hires FOR EACH ROW EXECUTE FUNCTION check_step()"
    )
    for event, table in (("INSERT OR UPDATE", "hires"), ("DELETE", "outbox")):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER queued AFTER {event} ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_queued()"
        )


def downgrade() -> None:
    """Drop the triggers."""
    op.execute("DROP TRIGGER queued ON outbox")
    op.execute("DROP TRIGGER queued ON hires")
    op.execute("DROP TRIGGER steps ON hires")
    op.execute("DROP FUNCTION check_queued")
    op.execute("DROP FUNCTION check_step")
