"""Make chains of audit records without a database, and check them without an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from uuid import UUID

from plant.audit.chain import GENESIS, Head, Record, Verdict, hash_of, stream, verify

FIRST = Record(
    tenant="acme",
    sequence=1,
    entity_id=UUID(int=1),
    kind="team",
    action="insert",
    version=1,
    actor="Anna",
    payload='{"name": "night shift"}',
    recorded_at=datetime(2026, 11, 1, 8, 30, 0, 123456, tzinfo=timezone.utc),
    previous_hash=GENESIS,
    record_hash=b"",
)


def chained(records: Iterable[Record], head: Head | None = None) -> tuple[list[Record], Head]:
    """Number and link records as the database does; return them and the new head."""
    head = head or Head()
    done: list[Record] = []
    for record in records:
        linked = replace(record, sequence=head.sequence + 1, previous_hash=head.hash)
        linked = replace(linked, record_hash=hash_of(linked))
        head = replace(head, sequence=linked.sequence, hash=linked.record_hash)
        done.append(linked)
    return done, head


def judged(records: Sequence[Record], head: Head) -> Verdict:
    """Check records that are in memory: nothing in there ever waits."""
    checking = verify(stream(records), head)
    try:
        checking.send(None)
    except StopIteration as done:
        verdict: Verdict = done.value
        return verdict
    raise AssertionError("the check waited for something")
