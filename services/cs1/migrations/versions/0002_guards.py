"""Let the database itself keep the books append-only and balanced."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: book a transfer the other way round instead', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$
"""

# Deferred to the commit, when all entries of a transfer are there. It fires for a transfer as well as
# for its entries: the one catches a transfer without entries, the other an entry added later.
BALANCED = """
CREATE FUNCTION check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  booked uuid;
BEGIN
  IF TG_TABLE_NAME = 'transfers' THEN
    booked := NEW.id;
  ELSE
    booked := NEW.transfer_id;
  END IF;
  IF (SELECT count(*) FROM entries WHERE transfer_id = booked) < 2 OR EXISTS (
    SELECT FROM entries WHERE transfer_id = booked GROUP BY currency HAVING sum(amount) <> 0
  ) THEN
    RAISE EXCEPTION 'transfer % does not balance', booked USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Create the triggers."""
    op.execute(REFUSE)
    op.execute(BALANCED)
    for table in ("transfers", "entries"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_balanced()"
        )


def downgrade() -> None:
    """Drop the triggers."""
    for table in ("transfers", "entries"):
        op.execute(f"DROP TRIGGER balanced ON {table}")
        op.execute(f"DROP TRIGGER append_only ON {table}")
    op.execute("DROP FUNCTION check_balanced")
    op.execute("DROP FUNCTION refuse_change")
