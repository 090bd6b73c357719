"""Relays and workers that meet on the same hire, on a real PostgreSQL and Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import UUID, uuid4

import pytest

from gateway.errors import GatewayError
from gateway.fulfilment.next_step import NextStep
from gateway.hires import State
from gateway.kept import Kept
from gateway.parts import Parts
from gateway.relay import Relay
from gateway.stream import HireStream
from gateway.worker import Worker
from gateway_memory import order
from gateway_standins import StandInLedger

THREADS = 6
ROUNDS = 4
LEASE = 60.0


@pytest.fixture
def stream(parts: Parts) -> HireStream:
    made = HireStream(parts.redis[1], LEASE)
    made.ensure()
    return made


@pytest.fixture
def work(parts: Parts, stream: HireStream) -> Callable[[int], None]:
    """Return what empties the queue, as a worker of a number."""
    parts.staff.add_skill("welding", "welder")
    next_step = NextStep(parts.staff, Kept(parts.staff.roster, 2.0), parts.ledger)

    def run(number: int) -> None:
        worker = Worker(f"worker-{number}", parts.store, stream, next_step, 0.01)
        for _ in range(2 * THREADS):
            worker.step()

    return run


def at_once(operation: Callable[[int], object]) -> Counter[str]:
    """Run an operation in threads that start together; count how they ended."""
    barrier = Barrier(THREADS, timeout=10)

    def run(number: int) -> str:
        barrier.wait()
        try:
            return str(operation(number))
        except GatewayError as error:
            return type(error).__name__

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(run, range(THREADS)))


def accepted(parts: Parts, payer: UUID, payee: UUID) -> UUID:
    wanted = replace(order(1, key=uuid4().hex), payer=payer, payee=payee)
    return parts.store.accept(wanted).hire.id


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_one_key_is_accepted_once(parts: Parts, _round: int) -> None:
    ids = at_once(lambda _: parts.store.accept(order(key="same")).hire.id)
    assert len(ids) == 1
    assert parts.store.backlog().waiting == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_one_key_for_different_hires_is_the_first_one_s(parts: Parts, _round: int) -> None:
    endings = at_once(lambda number: parts.store.accept(order(1 + number, key="same")).hire.order.fee)
    assert endings.pop("KeyReusedError") == THREADS - 1
    assert list(endings.values()) == [1]


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_relays_at_once_publish_each_hire_once(parts: Parts, stream: HireStream, _round: int) -> None:
    ids = [parts.store.accept(order(key=str(number))).hire.id for number in range(20)]
    relay = Relay(parts.store, stream, LEASE)
    at_once(lambda _: relay.step())
    taken = [message.hire_id for _ in range(30) if (message := stream.take("one", 0.001))]
    assert Counter(taken) == Counter(ids)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_workers_at_once_book_a_doubled_hire_once(
    parts: Parts, stream: HireStream, ledger: StandInLedger, work: Callable[[int], None], _round: int
) -> None:
    payer, payee = ledger.open(100), ledger.open()
    ids = [accepted(parts, payer, payee) for _ in range(2)]
    parts.store.publish(lambda found: stream.add([*found] * THREADS), LEASE)
    at_once(work)
    assert {parts.store.hire(hire_id).state for hire_id in ids} == {State.DONE}
    assert (ledger.entries[str(payee)], ledger.balances[str(payee)]) == (2, 2)


def test_workers_and_relays_at_once_leave_nothing_behind(
    parts: Parts, stream: HireStream, ledger: StandInLedger, work: Callable[[int], None]
) -> None:
    payer, payee = ledger.open(100), ledger.open()
    ids = [accepted(parts, payer, payee) for _ in range(20)]
    relay = Relay(parts.store, stream, LEASE)

    def relay_or_work(number: int) -> None:
        deadline = time.monotonic() + 10
        while parts.store.backlog().waiting and time.monotonic() < deadline:
            relay.step()
            work(number)

    at_once(relay_or_work)
    assert {parts.store.hire(hire_id).state for hire_id in ids} == {State.DONE}
    assert ledger.entries[str(payee)] == 20
