"""Relay and workers on any bad day: whatever is lost, cut off or doubled, each fee is booked once.

A model of the platform in memory, the gateway's own relay and workers on it, and every step at which
something can go wrong as a rule. At the end the day gets better, and all of it must come right.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from gateway.errors import DatabaseUnavailableError, UpstreamRefusedError, UpstreamUnavailableError
from gateway.fulfilment.next_step import NextStep
from gateway.fulfilment.roster import Roster
from gateway.hires import Agent, Hire, State
from gateway.kept import Kept
from gateway.relay import Relay
from gateway.upstream.answers import Hit, Skill
from gateway.worker import LONGEST_PAUSE, Worker
from gateway_memory import MemoryOutbox, MemoryQueue, order

LEASE = 10.0
ANNA, BELA = (Agent(id=UUID(int=number), name=name) for number, name in enumerate(("Anna", "Bela"), 1))
WELDING = Hit(skill=Skill(id=UUID(int=9), name="welding", category="welder"), distance=0.0)
FUNDS = 1000


class Upstreams:
    """cs1 and plant: what they do, and how they fail."""

    def __init__(self) -> None:
        self.agents: tuple[Agent, ...] = (ANNA,)
        self.plant_down = self.cs1_down = self.answer_lost = False
        self.funds = FUNDS
        self.booked: dict[UUID, UUID] = {}
        self.bookings: Counter[UUID] = Counter()

    def search(self, _text: str, _limit: int) -> Sequence[Hit]:
        if self.plant_down:
            raise UpstreamUnavailableError("plant", "is away")
        return [WELDING]

    def roster(self) -> Roster:
        return Roster(idle={"welder": self.agents})

    def book(self, hire: Hire) -> UUID:
        if self.cs1_down:
            raise UpstreamUnavailableError("cs1", "is away")
        if hire.id not in self.booked:
            if self.funds < hire.order.fee:
                raise UpstreamRefusedError("cs1", 409, "insufficient-funds", "too poor")
            self.funds -= hire.order.fee
            self.booked[hire.id] = uuid4()
            self.bookings[hire.id] += 1
        if self.answer_lost:
            self.answer_lost = False
            raise UpstreamUnavailableError("cs1", "didn't answer in time")
        return self.booked[hire.id]


class BadDay(RuleBasedStateMachine):
    hires: Bundle[UUID] = Bundle("hires")

    def __init__(self) -> None:
        super().__init__()
        self.outbox, self.upstreams = MemoryOutbox(), Upstreams()
        self.queue = MemoryQueue(lambda: self.outbox.now)
        self.relay = Relay(self.outbox, self.queue, LEASE)
        step = NextStep(self.upstreams, Kept(self.upstreams.roster, 0.0), self.upstreams)
        self.worker = Worker("worker", self.outbox, self.queue, step, 0.0)
        self.promised: dict[UUID, Agent] = {}

    @rule(target=hires, fee=st.integers(1, 400))
    def accept(self, fee: int) -> UUID:
        return self.outbox.accept(order(fee))

    @rule()
    def publish(self) -> None:
        self.relay.step()

    @rule()
    def publish_and_crash_before_the_commit(self) -> None:
        self._crash(self.relay.step)

    @rule()
    def publish_while_a_worker_is_quicker_than_the_commit(self) -> None:
        def send(hire_ids: Sequence[UUID]) -> None:
            self.queue.add(hire_ids)
            self.worker.step()

        self.outbox.publish(send, LEASE)

    @rule()
    def work(self) -> None:
        self.worker.step()

    @rule()
    def work_and_crash_at_a_commit(self) -> None:
        self._crash(self.worker.step)

    @rule()
    def work_while_the_answer_of_a_booking_is_lost(self) -> None:
        self.upstreams.answer_lost = True
        self.worker.step()
        self.upstreams.answer_lost = False

    @rule(hire_id=hires)
    def a_message_is_doubled(self, hire_id: UUID) -> None:
        self.queue.add([hire_id])

    @rule(hire_id=hires)
    def work_while_another_holds_the_hire(self, hire_id: UUID) -> None:
        self.outbox.locked.add(hire_id)
        self.worker.step()
        self.outbox.locked.discard(hire_id)

    @rule()
    def redis_comes_back_empty(self) -> None:
        self.queue.lose()

    @rule()
    def redis_comes_back_without_its_last_message(self) -> None:
        if self.queue.ready:
            self.queue.ready.pop()

    @rule()
    def messages_of_silent_workers_are_taken(self) -> None:
        self.queue.reclaim()

    @rule(down=st.booleans())
    def plant_goes_or_comes(self, down: bool) -> None:
        self.upstreams.plant_down = down

    @rule(down=st.booleans())
    def cs1_goes_or_comes(self, down: bool) -> None:
        self.upstreams.cs1_down = down

    @rule(agents=st.sampled_from([(), (ANNA,), (BELA,), (ANNA, BELA)]))
    def staff_comes_and_goes(self, agents: tuple[Agent, ...]) -> None:
        self.upstreams.agents = agents

    @rule(seconds=st.floats(0.1, 2 * LEASE))
    def time_passes(self, seconds: float) -> None:
        self.outbox.now += seconds

    @invariant()
    def no_fee_is_booked_twice(self) -> None:
        assert max(self.upstreams.bookings.values(), default=1) == 1

    @invariant()
    def what_is_unfinished_stands_in_the_outbox_and_nothing_else_does(self) -> None:
        unfinished = {hire_id for hire_id, hire in self.outbox.hires.items() if not hire.state.final}
        assert unfinished == self.outbox.rows.keys()

    @invariant()
    def who_was_promised_is_who_comes(self) -> None:
        for hire_id, hire in self.outbox.hires.items():
            if hire.agent is not None:
                assert self.promised.setdefault(hire_id, hire.agent) == hire.agent

    def teardown(self) -> None:
        self.upstreams.plant_down = self.upstreams.cs1_down = False
        for _ in range(4):
            self.outbox.now += LONGEST_PAUSE + LEASE + 1
            self.queue.reclaim()
            self.relay.step()
            while self.queue.ready:
                self.worker.step()
        states = {hire_id: hire.state for hire_id, hire in self.outbox.hires.items()}
        assert all(state.final for state in states.values()), states
        done = {hire_id for hire_id, state in states.items() if state is State.DONE}
        assert done == self.upstreams.bookings.keys()
        fees = sum(self.outbox.hires[hire_id].order.fee for hire_id in done)
        assert self.upstreams.funds == FUNDS - fees

    def _crash(self, step: object) -> None:
        self.outbox.fail_commit = True
        with contextlib.suppress(DatabaseUnavailableError):
            step()  # type: ignore[operator]
        self.outbox.fail_commit = False


TestBadDay = BadDay.TestCase
