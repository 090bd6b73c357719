"""Hires and their outbox in PostgreSQL: the only module that writes their SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, Row, and_, delete, extract, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from gateway.database import transaction
from gateway.errors import KeyReusedError, NotFoundError
from gateway.hires import Agent, Done, Hire, HireOrder, Matched, Rejected, State, Step
from gateway.schema import hires, outbox

LONGEST_ERROR = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A hire that was accepted. `replayed`: by an earlier request with the same key."""

    hire: Hire
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The hires that aren't finished, and for how many seconds the oldest has been waiting."""

    waiting: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Claim:
    """One hire under its lock."""

    connection: Connection
    hire: Hire
    attempts: int

    def take(self, step: Step) -> None:
        """Write what the work came to, to be committed with the lock's end."""
        values = _values(step)
        where = hires.c.id == self.hire.id
        self.connection.execute(update(hires).where(where).values(updated_at=func.now(), **values))
        if not isinstance(step, Matched):
            self.connection.execute(delete(outbox).where(outbox.c.hire_id == self.hire.id))


class HireStore:
    """What clients ask for and workers bring to an end."""

    def __init__(self, engine: Engine) -> None:
        """Take the pool of connections."""
        self._engine = engine

    def accept(self, order: HireOrder) -> Accepted:
        """Write a hire and its outbox row, or return the hire that was written under the same key.

        Raises KeyReusedError when that one was another.
        """
        row = {
            "id": uuid4(),
            "client": order.client,
            "idempotency_key": order.key,
            "fingerprint": order.fingerprint(),
            "skill": order.skill,
            "payer": order.payer,
            "payee": order.payee,
            "fee": order.fee,
            "state": State.ACCEPTED.value,
        }
        unique = [hires.c.client, hires.c.idempotency_key]
        statement = (
            insert_or_skip(hires).values(row).on_conflict_do_nothing(index_elements=unique).returning(hires)
        )
        with transaction(self._engine) as connection:
            written = connection.execute(statement).one_or_none()
            if written is None:
                return _replay(connection, order)
            connection.execute(insert(outbox).values(hire_id=written.id))
        return Accepted(hire=_hire(written), replayed=False)

    def hire(self, hire_id: UUID) -> Hire:
        """Return a hire; raises NotFoundError."""
        with transaction(self._engine) as connection:
            row = connection.execute(select(hires).where(hires.c.id == hire_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no hire {hire_id}.")
        return _hire(row)

    @contextmanager
    def claim(self, hire_id: UUID) -> Iterator[Claim | None]:
        """Lock an unfinished hire for the length of a block; None where there is none to lock.

        That is: it is finished, or another worker holds it. The lock is the transaction's, so that it
        ends with its holder, however that one ends. It isn't the outbox row's: the relay holds that
        until it has committed, and a worker that is quicker must not take the hire for another's.
        """
        free = select(func.pg_try_advisory_xact_lock(func.hashtextextended(str(hire_id), 0)))
        query = (
            select(hires, outbox.c.attempts)
            .join(outbox, outbox.c.hire_id == hires.c.id)
            .where(hires.c.id == hire_id)
        )
        with transaction(self._engine) as connection:
            # The second statement sees what whoever held the lock before has committed.
            row = connection.execute(query).one_or_none() if connection.scalar(free) else None
            yield None if row is None else Claim(connection, _hire(row), row.attempts)

    def postpone(self, hire_id: UUID, error: str, seconds: float) -> None:
        """Have a hire published again after some seconds; nothing happens to one that is finished."""
        values = {
            "attempts": outbox.c.attempts + 1,
            "due_at": func.now() + timedelta(seconds=seconds),
            "published_at": None,
            "last_error": error[:LONGEST_ERROR],
        }
        with transaction(self._engine) as connection:
            connection.execute(update(outbox).where(outbox.c.hire_id == hire_id).values(values))

    def publish(self, send: Callable[[Sequence[UUID]], None], lease: float, most: int = 100) -> int:
        """Hand what is due to `send` and remember that, or nothing of it; return how many there were.

        Due is also what was published `lease` seconds ago and is still not finished: its message was
        lost, says the caller by this number.
        """
        now = func.now()
        lost = outbox.c.published_at < now - timedelta(seconds=lease)
        due = and_(outbox.c.due_at <= now, or_(outbox.c.published_at.is_(None), lost))
        query = (
            select(outbox.c.hire_id)
            .where(due)
            .order_by(outbox.c.due_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        with transaction(self._engine) as connection:
            ids = connection.execute(query).scalars().all()
            if ids:
                send(ids)
                sent = outbox.c.hire_id.in_(ids)
                connection.execute(update(outbox).where(sent).values(published_at=now))
        return len(ids)

    def forget_publications(self) -> int:
        """Have all that is unfinished published again: the queue has lost what it held."""
        statement = update(outbox).where(outbox.c.published_at.is_not(None)).values(published_at=None)
        with transaction(self._engine) as connection:
            return connection.execute(statement).rowcount

    def backlog(self) -> Backlog:
        """Return how much is waiting."""
        oldest = extract("epoch", func.now() - func.min(outbox.c.queued_at))
        with transaction(self._engine) as connection:
            row = connection.execute(select(func.count(), func.coalesce(oldest, 0)).select_from(outbox)).one()
        return Backlog(waiting=row[0], oldest=float(row[1]))


def _replay(connection: Connection, order: HireOrder) -> Accepted:
    same = and_(hires.c.client == order.client, hires.c.idempotency_key == order.key)
    row = connection.execute(select(hires).where(same)).one()
    if row.fingerprint != order.fingerprint():
        raise KeyReusedError("This idempotency key was used for another hire.")
    return Accepted(hire=_hire(row), replayed=True)


def _values(step: Step) -> dict[str, object]:
    match step:
        case Matched(agent=agent):
            return {"state": State.MATCHED.value, "agent_id": agent.id, "agent_name": agent.name}
        case Done(transfer_id=transfer_id):
            return {"state": State.DONE.value, "transfer_id": transfer_id}
        case Rejected(reason=reason):
            return {"state": State.REJECTED.value, "reason": reason}


def _hire(row: Row[tuple[object, ...]]) -> Hire:
    order = HireOrder(
        client=row.client,
        key=row.idempotency_key,
        skill=row.skill,
        payer=row.payer,
        payee=row.payee,
        fee=row.fee,
    )
    return Hire(
        id=row.id,
        order=order,
        state=State(row.state),
        created_at=row.created_at,
        updated_at=row.updated_at,
        agent=Agent(id=row.agent_id, name=row.agent_name) if row.agent_id else None,
        transfer_id=row.transfer_id,
        reason=row.reason,
    )
