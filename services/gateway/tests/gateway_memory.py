"""Outbox and queue in memory, for what is tested without servers: relay and worker can't tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from uuid import UUID, uuid4

from gateway.errors import DatabaseUnavailableError
from gateway.hires import Done, Hire, HireOrder, Matched, Rejected, State, Step
from gateway.stream import Message, Queued

LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)


def order(fee: int = 250, skill: str = "welding", key: str = "key") -> HireOrder:
    return HireOrder(client="tests", key=key, skill=skill, payer=UUID(int=1), payee=UUID(int=2), fee=fee)


def hire(state: State = State.ACCEPTED, **more: object) -> Hire:
    found = Hire(id=uuid4(), order=order(), state=state, created_at=LONG_AGO, updated_at=LONG_AGO)
    return replace(found, **more)  # type: ignore[arg-type]


@dataclass
class Row:
    """A row of the outbox; times count seconds."""

    due: float
    published: float | None = None
    attempts: int = 0
    error: str = ""


@dataclass
class MemoryClaim:
    hires: dict[UUID, Hire]
    hire: Hire
    attempts: int
    step: Step | None = None

    def take(self, step: Step) -> None:
        self.step = step


@dataclass
class MemoryOutbox:
    """What hire_store does, with transactions that can fail at their commit."""

    now: float = 0.0
    hires: dict[UUID, Hire] = field(default_factory=dict)
    rows: dict[UUID, Row] = field(default_factory=dict)
    locked: set[UUID] = field(default_factory=set)
    fail_commit: bool = False

    def accept(self, order: HireOrder) -> UUID:
        accepted = replace(hire(), order=order)
        self.hires[accepted.id] = accepted
        self.rows[accepted.id] = Row(due=self.now)
        return accepted.id

    def publish(self, send: Callable[[Sequence[UUID]], None], lease: float, most: int = 100) -> int:
        due = [
            hire_id
            for hire_id, row in self.rows.items()
            if row.due <= self.now and (row.published is None or row.published < self.now - lease)
        ][:most]
        if due:
            send(due)
            self._commit()
            for hire_id in self.rows.keys() & set(due):  # a worker may have been quicker
                self.rows[hire_id].published = self.now
        return len(due)

    def forget_publications(self) -> int:
        for row in self.rows.values():
            row.published = None
        return len(self.rows)

    @contextmanager
    def claim(self, hire_id: UUID) -> Iterator[MemoryClaim | None]:
        if hire_id not in self.rows or hire_id in self.locked:
            yield None
            return
        self.locked.add(hire_id)
        try:
            claim = MemoryClaim(self.hires, self.hires[hire_id], self.rows[hire_id].attempts)
            yield claim
            self._commit()
        finally:
            self.locked.discard(hire_id)
        if claim.step is not None:
            self._write(hire_id, claim.step)

    def postpone(self, hire_id: UUID, error: str, seconds: float) -> None:
        if hire_id in self.rows:
            attempts = self.rows[hire_id].attempts + 1
            self.rows[hire_id] = Row(due=self.now + seconds, attempts=attempts, error=error)

    def _commit(self) -> None:
        if self.fail_commit:
            self.fail_commit = False
            raise DatabaseUnavailableError("the server went away at the commit")

    def _write(self, hire_id: UUID, step: Step) -> None:
        before = self.hires[hire_id]
        match step:
            case Matched(agent=agent):
                after = replace(before, state=State.MATCHED, agent=agent)
            case Done(transfer_id=transfer_id):
                after = replace(before, state=State.DONE, transfer_id=transfer_id)
            case Rejected(reason=reason):
                after = replace(before, state=State.REJECTED, reason=reason)
        self.hires[hire_id] = after
        if after.state.final:
            del self.rows[hire_id]


@dataclass
class MemoryQueue:
    """What stream does; `lose` is a Redis that comes back empty."""

    clock: Callable[[], float] = lambda: 0.0
    there: bool = False
    number: int = 0
    added: dict[str, float] = field(default_factory=dict)
    ready: deque[Message] = field(default_factory=deque)
    pending: list[Message] = field(default_factory=list)

    def ensure(self) -> bool:
        missing, self.there = not self.there, True
        return missing

    def add(self, hire_ids: Sequence[UUID]) -> None:
        for hire_id in hire_ids:
            self.number += 1
            self.ready.append(Message(id=str(self.number), hire_id=hire_id))
            self.added[str(self.number)] = self.clock()

    def queued(self) -> Queued:
        ages = [self.clock() - self.added[message.id] for message in (*self.ready, *self.pending)]
        return Queued(messages=len(ages), oldest=max(ages, default=0.0))

    def take(self, _consumer: str, _block: float) -> Message | None:
        if not self.ready:
            return None
        self.pending.append(self.ready.popleft())
        return self.pending[-1]

    def done(self, message: Message) -> None:
        if message in self.pending:
            self.pending.remove(message)

    def reclaim(self) -> None:
        """Hand out again what silent workers have left, as XAUTOCLAIM does."""
        self.ready.extend(self.pending)
        self.pending.clear()

    def lose(self) -> None:
        self.there = False
        self.ready.clear()
        self.pending.clear()
