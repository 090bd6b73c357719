"""What must hold in the tables at any time, asked in SQL: not by the code under test."""

from __future__ import annotations

import time

from sqlalchemy import Engine, text

MONEY_MADE = "SELECT currency FROM entries GROUP BY currency HAVING sum(amount) <> 0"

UNBALANCED = """
SELECT t.id FROM transfers t LEFT JOIN entries e ON e.transfer_id = t.id
GROUP BY t.id, e.currency HAVING sum(e.amount) IS DISTINCT FROM 0
"""

# Every account's entries are numbered without a gap, and each balance is the sum up to there.
BROKEN_CHAIN = """
SELECT account_id, number FROM (
  SELECT account_id, number, balance,
         row_number() OVER (PARTITION BY account_id ORDER BY number) AS expected_number,
         sum(amount) OVER (PARTITION BY account_id ORDER BY number) AS expected_balance
  FROM entries) AS chain
WHERE number <> expected_number OR balance <> expected_balance
"""

OVERDRAWN = """
SELECT a.id FROM accounts a JOIN entries e ON e.account_id = a.id
WHERE a.overdraft = 0 AND e.number = (SELECT max(number) FROM entries WHERE account_id = a.id)
  AND CASE WHEN a.kind IN ('asset', 'expense') THEN e.balance ELSE -e.balance END < 0
"""


def assert_sound(engine: Engine) -> None:
    """Fail with the rows that break a rule of the books."""
    with engine.connect() as connection:
        for name, query in (
            ("currencies whose entries don't sum to zero", MONEY_MADE),
            ("transfers that don't balance", UNBALANCED),
            ("entries out of line with those before them", BROKEN_CHAIN),
            ("accounts below zero", OVERDRAWN),
        ):
            rows = connection.execute(text(query)).all()
            assert not rows, f"{name}: {rows[:5]}"


def transfers_with_key(engine: Engine, key: str) -> int:
    """Count the transfers that were booked under an idempotency key."""
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM transfers WHERE idempotency_key = :key")
        return int(connection.execute(query, {"key": key}).scalar_one())


def wait_for_a_blocked_backend(engine: Engine) -> None:
    """Return when some transaction waits for a lock that another one holds."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0")
    deadline = time.monotonic() + 10
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(query).scalar_one():
            assert time.monotonic() < deadline, "nobody came to wait for a lock"
            time.sleep(0.02)
