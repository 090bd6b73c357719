"""The outbox in PostgreSQL: its transactions, its lock, and what the database itself refuses."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.database import transaction
from gateway.errors import DatabaseUnavailableError, KeyReusedError, NotFoundError
from gateway.hire_store import HireStore
from gateway.hires import Agent, Done, Matched, Rejected, State, Step
from gateway.parts import Parts
from gateway.schema import hires, outbox
from gateway_memory import order

AGENT = Agent(id=UUID(int=5), name="Anna")
NOTHING_LATER = 60.0  # seconds of a lease that doesn't run out here


ENDINGS: dict[str, tuple[Step, ...]] = {
    "done": (Matched(agent=AGENT), Done(transfer_id=UUID(int=6))),
    "rejected": (Matched(agent=AGENT), Rejected(reason="no")),
}


@pytest.fixture
def store(parts: Parts) -> HireStore:
    return parts.store


@pytest.fixture
def engine(parts: Parts) -> Engine:
    return parts.engine


def accepted(store: HireStore) -> UUID:
    return store.accept(order(key=uuid4().hex)).hire.id


def published(store: HireStore, lease: float = NOTHING_LATER) -> list[UUID]:
    sent: list[UUID] = []
    store.publish(sent.extend, lease)
    return sent


def take(store: HireStore, hire_id: UUID, *steps: Step) -> State:
    for step in steps:
        with store.claim(hire_id) as claim:
            assert claim is not None
            claim.take(step)
    return store.hire(hire_id).state


def put_into(connection: Connection, hire_id: UUID, state: State) -> None:
    """Put the only hire into a state, with all that a hire in it has, and hasn't."""
    transfer = UUID(int=7) if state is State.DONE else None
    reason = "another" if state is State.REJECTED else None
    connection.execute(update(hires).values(state=state.value, transfer_id=transfer, reason=reason))
    if not state.final:
        connection.execute(insert(outbox).values(hire_id=hire_id))


def count(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        tables = (hires, outbox)
        one, other = (connection.scalar(select(func.count()).select_from(each)) for each in tables)
    assert one is not None
    assert other is not None
    return one, other


def test_a_hire_and_its_outbox_row_come_together(store: HireStore, engine: Engine) -> None:
    store.accept(order())
    store.accept(order())
    with pytest.raises(KeyReusedError):
        store.accept(replace(order(), fee=1))
    assert count(engine) == (1, 1)


def test_the_outbox_row_goes_with_the_hire_s_end(store: HireStore, engine: Engine) -> None:
    done, rejected = accepted(store), accepted(store)
    assert take(store, done, Matched(agent=AGENT), Done(transfer_id=UUID(int=6))) is State.DONE
    assert take(store, rejected, Rejected(reason="no")) is State.REJECTED
    assert count(engine) == (2, 0)
    found = store.hire(done)
    assert (found.agent, found.transfer_id) == (AGENT, UUID(int=6))
    assert found.updated_at > found.created_at


def test_what_is_due_is_published_once_in_the_order_of_its_coming(store: HireStore) -> None:
    ids = [accepted(store) for _ in range(3)]
    assert (published(store), published(store)) == (ids, [])


def test_a_publication_that_fails_is_none(store: HireStore) -> None:
    hire_id = accepted(store)

    def fail(_: Sequence[UUID]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.publish(fail, NOTHING_LATER)
    assert published(store) == [hire_id]


def test_what_is_not_finished_when_its_lease_has_run_out_is_published_again(store: HireStore) -> None:
    hire_id = accepted(store)
    published(store)
    assert published(store, lease=0.0) == [hire_id]


def test_after_the_loss_of_the_queue_all_that_is_unfinished_is_published_again(store: HireStore) -> None:
    unfinished, finished = accepted(store), accepted(store)
    published(store)
    take(store, finished, Rejected(reason="no"))
    assert store.forget_publications() == 1
    assert published(store) == [unfinished]


def test_a_postponed_hire_is_published_when_it_is_due_again(store: HireStore, engine: Engine) -> None:
    hire_id = accepted(store)
    published(store)
    store.postpone(hire_id, "cs1 is away" + "!" * 1000, 60.0)
    assert published(store) == []
    store.postpone(hire_id, "cs1 is away", 0.0)
    assert published(store) == [hire_id]
    with engine.connect() as connection:
        row = connection.execute(select(outbox)).one()
    assert (row.attempts, row.last_error) == (2, "cs1 is away")
    store.postpone(uuid4(), "nobody", 0.0)


def test_two_relays_do_not_publish_the_same(store: HireStore) -> None:
    ids = [accepted(store) for _ in range(3)]
    seen: list[list[UUID]] = []

    def send(mine: Sequence[UUID]) -> None:
        seen.append(list(mine))
        accepted_meanwhile = accepted(store)
        assert published(store) == [accepted_meanwhile]

    store.publish(send, NOTHING_LATER)
    assert seen == [ids]


def test_a_worker_may_be_quicker_than_the_relay_s_commit(store: HireStore) -> None:
    """The message is out before the relay has committed: its hire must not be taken for a held one."""
    hire_id = accepted(store)
    claimed: list[bool] = []

    def work() -> None:
        with store.claim(hire_id) as claim:
            claimed.append(claim is not None)

    with ThreadPoolExecutor(1) as pool:
        store.publish(lambda _: pool.submit(work).result(timeout=5), NOTHING_LATER)
    assert claimed == [True]


def test_one_worker_at_a_time_holds_a_hire(store: HireStore) -> None:
    hire_id, other = accepted(store), accepted(store)
    with store.claim(hire_id) as first, store.claim(hire_id) as second, store.claim(other) as third:
        assert (first is not None, second, third is not None) == (True, None, True)
    with store.claim(hire_id) as again:
        assert again is not None


def test_work_that_fails_changes_nothing_and_frees_the_hire(store: HireStore) -> None:
    hire_id = accepted(store)

    def fail() -> None:
        with store.claim(hire_id) as claim:
            assert claim is not None
            claim.take(Matched(agent=AGENT))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert take(store, hire_id, Matched(agent=AGENT)) is State.MATCHED


def test_a_finished_or_unknown_hire_can_not_be_claimed(store: HireStore) -> None:
    hire_id = accepted(store)
    take(store, hire_id, Rejected(reason="no"))
    for each in (hire_id, uuid4()):
        with store.claim(each) as claim:
            assert claim is None
    with pytest.raises(NotFoundError):
        store.hire(uuid4())


def test_the_backlog_counts_what_waits(store: HireStore) -> None:
    assert (store.backlog().waiting, store.backlog().oldest) == (0, 0.0)
    accepted(store)
    assert store.backlog().waiting == 1
    assert store.backlog().oldest > 0


@pytest.mark.parametrize(
    "steps",
    [
        (Done(transfer_id=UUID(int=6)),),
        (Matched(agent=AGENT), Matched(agent=AGENT)),
        (Matched(agent=AGENT), Rejected(reason="no"), Done(transfer_id=UUID(int=6))),
    ],
    ids=["a step left out", "a step twice", "after the end"],
)
def test_the_database_refuses_steps_that_do_not_follow(
    engine: Engine, store: HireStore, steps: tuple[Step, ...]
) -> None:
    hire_id = accepted(store)
    take(store, hire_id, *steps[:-1])
    last = steps[-1]
    state = {Done: "done", Matched: "matched", Rejected: "rejected"}[type(last)]
    with pytest.raises(IntegrityError, match=f"can't become {state}"), engine.begin() as connection:
        connection.execute(update(hires).values(state=state))


@pytest.mark.parametrize("state", ["accepted", "matched", "done", "rejected"])
@pytest.mark.parametrize("end", ["done", "rejected"])
def test_the_database_itself_lets_nothing_follow_an_end(
    engine: Engine, store: HireStore, end: str, state: str
) -> None:
    """Each row fits its new state, and so do both tables: only the guard of steps can refuse it."""
    hire_id = accepted(store)
    take(store, hire_id, *ENDINGS[end])
    with (
        pytest.raises(IntegrityError, match=f"is {end}: it can't become {state}"),
        engine.begin() as connection,
    ):
        put_into(connection, hire_id, State(state))


@pytest.mark.parametrize("column", ["fee", "payee", "idempotency_key"])
def test_the_database_refuses_to_change_what_was_asked_for(
    engine: Engine, store: HireStore, column: str
) -> None:
    accepted(store)
    value = {"fee": "fee + 1", "payee": "payer", "idempotency_key": "'other'"}[column]
    with pytest.raises(IntegrityError, match="is what it was asked to be"), engine.begin() as connection:
        connection.execute(text(f"UPDATE hires SET state = 'rejected', reason = 'no', {column} = {value}"))


def test_the_database_refuses_to_forget_a_hire(engine: Engine, store: HireStore) -> None:
    take(store, accepted(store), Rejected(reason="no"))
    with pytest.raises(IntegrityError, match="hires are kept"), engine.begin() as connection:
        connection.execute(delete(hires))


def test_the_database_refuses_a_hire_that_nobody_would_work_on(engine: Engine, store: HireStore) -> None:
    hire_id = accepted(store)
    with pytest.raises(IntegrityError, match="contradict"), engine.begin() as connection:
        connection.execute(delete(outbox).where(outbox.c.hire_id == hire_id))
    columns = [each.name for each in hires.c if each.name not in {"id", "idempotency_key"}]
    copied = select(func.gen_random_uuid(), text("'copy'"), *(hires.c[name] for name in columns))
    alone = insert(hires).from_select(["id", "idempotency_key", *columns], copied)
    with pytest.raises(IntegrityError, match="contradict"), engine.begin() as connection:
        connection.execute(alone)


def test_a_connection_that_ends_within_a_transaction_is_unavailability(engine: Engine) -> None:
    with pytest.raises(DatabaseUnavailableError), transaction(engine) as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_mistake_in_a_statement_is_no_unavailability(engine: Engine) -> None:
    with pytest.raises(Exception, match="nowhere") as caught, transaction(engine) as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    assert not isinstance(caught.value, DatabaseUnavailableError)
