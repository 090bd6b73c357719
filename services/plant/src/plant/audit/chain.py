"""The chain of hashes, without a database: what a record's hash is made of, and what breaks a chain.

The database computes the same hash when a record is appended (migrations/versions/004_audit_trail.py).
That it is written twice is the point: whoever checks the trail doesn't trust who wrote it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from uuid import UUID

GENESIS = bytes(32)  # what the first record of a tenant follows
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MOST_FAULTS = 100  # a chain that is broken everywhere needs no list of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One change of one entity. `payload` is the text of the JSON that was stored."""

    tenant: str
    sequence: int
    entity_id: UUID
    kind: str
    action: str
    version: int
    actor: str
    payload: str
    recorded_at: datetime
    previous_hash: bytes
    record_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain ends, and after which record it begins since older ones were pruned."""

    sequence: int = 0
    hash: bytes = GENESIS
    pruned_sequence: int = 0
    pruned_hash: bytes = GENESIS


class Break(str, Enum):
    """How a chain is broken."""

    ALTERED = "altered"  # a record's hash isn't that of its contents
    UNLINKED = "unlinked"  # a record doesn't follow the hash of the one before
    MISSING = "missing"  # one or more records aren't there
    TRUNCATED = "truncated"  # the last records aren't there, or the head was moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One break, at the record where it shows."""

    sequence: int
    kind: Break


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found. `faults` holds the first hundred."""

    records: int
    head: bytes
    faults: tuple[Fault, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Tell whether every record is as it was written, and none is missing."""
        return not self.faults


def canonical(record: Record) -> bytes:
    """Return what is hashed: each field with its length in front, so that no two records look alike."""
    fields = (
        record.tenant,
        str(record.sequence),
        str(record.entity_id),
        record.kind,
        record.action,
        str(record.version),
        record.actor,
        record.payload,
        str((record.recorded_at - EPOCH) // timedelta(microseconds=1)),
        record.previous_hash.hex(),
    )
    encoded = (each.encode() for each in fields)
    return b"".join(b"%d:%b" % (len(each), each) for each in encoded)


def hash_of(record: Record) -> bytes:
    """Return the 32 bytes that `record_hash` has to be."""
    return hashlib.sha256(canonical(record)).digest()


async def verify(records: AsyncIterable[Record], head: Head) -> Verdict:
    """Check a chain from the record after the pruned ones to its head; memory doesn't grow with it."""
    faults: list[Fault] = []
    count, sequence, previous = 0, head.pruned_sequence, head.pruned_hash
    async for record in records:
        found = tuple(_breaks(record, sequence, previous))
        faults += (Fault(sequence=record.sequence, kind=each) for each in found)
        count, sequence, previous = count + 1, record.sequence, record.record_hash
    if (sequence, previous) != (head.sequence, head.hash):
        faults.append(Fault(sequence=head.sequence, kind=Break.TRUNCATED))
    return Verdict(records=count, head=head.hash, faults=tuple(faults[:MOST_FAULTS]))


def _breaks(record: Record, sequence: int, previous: bytes) -> Iterable[Break]:
    if record.sequence != sequence + 1:
        yield Break.MISSING
    elif record.previous_hash != previous:
        yield Break.UNLINKED
    if hash_of(record) != record.record_hash:
        yield Break.ALTERED


async def stream(records: Iterable[Record]) -> AsyncIterator[Record]:
    """Offer records that are in memory already the way the database offers them."""
    for record in records:
        yield record
