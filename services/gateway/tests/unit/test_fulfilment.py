"""A hire's way: relay, worker and next step, on an outbox and a queue in memory."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from gateway.errors import DatabaseUnavailableError, UpstreamUnavailableError
from gateway.fulfilment.next_step import NextStep
from gateway.fulfilment.roster import Roster
from gateway.hires import Agent, Done, Hire, Matched, Rejected, State, Step
from gateway.kept import Kept
from gateway.relay import LONGEST_QUEUE, Relay
from gateway.upstream.answers import Hit, Skill
from gateway.worker import LONGEST_PAUSE, Worker, backoff
from gateway_memory import MemoryOutbox, MemoryQueue, hire, order

AGENT = Agent(id=UUID(int=5), name="Anna")
TRANSFER = UUID(int=6)
LEASE = 10.0


class Platform:
    """What happens to each hire can be set: a step, or an error."""

    def __init__(self) -> None:
        self.outbox = MemoryOutbox()
        self.queue = MemoryQueue(lambda: self.outbox.now)
        self.relay = Relay(self.outbox, self.queue, LEASE)
        self.worker = Worker("worker", self.outbox, self.queue, self.next_step, 0.0)
        self.booking: Step | Exception = Done(transfer_id=TRANSFER)

    def next_step(self, hire: Hire) -> Step:
        if hire.state is State.ACCEPTED:
            return Matched(agent=AGENT)
        if isinstance(self.booking, Exception):
            raise self.booking
        return self.booking

    def run(self) -> None:
        self.relay.step()
        while self.queue.ready:
            self.worker.step()

    def state(self, hire_id: UUID) -> State:
        return self.outbox.hires[hire_id].state


@pytest.fixture
def platform() -> Platform:
    return Platform()


def test_a_hire_is_matched_and_done(platform: Platform) -> None:
    hire_id = platform.outbox.accept(order())
    platform.run()
    found = platform.outbox.hires[hire_id]
    assert (found.state, found.agent, found.transfer_id) == (State.DONE, AGENT, TRANSFER)
    assert (platform.outbox.rows, platform.queue.pending) == ({}, [])


def test_what_waits_its_turn_is_not_published_again(platform: Platform) -> None:
    for _ in range(10):
        platform.outbox.accept(order())
    while platform.outbox.rows:
        platform.relay.step()
        platform.outbox.now += LEASE + 1
        platform.relay.step()
        platform.worker.step()
    assert platform.queue.number == 10


def test_a_message_that_got_lost_is_published_again_when_its_lease_has_run_out(platform: Platform) -> None:
    hire_id = platform.outbox.accept(order())
    platform.relay.step()
    platform.queue.ready.clear()
    platform.outbox.now += LEASE
    assert not platform.relay.step()
    platform.outbox.now += 1
    platform.run()
    assert platform.state(hire_id) is State.DONE


def test_a_message_that_got_lost_is_published_again_though_others_wait(platform: Platform) -> None:
    lost = platform.outbox.accept(order())
    platform.relay.step()
    platform.queue.ready.clear()
    platform.outbox.now += LEASE + 1
    platform.outbox.accept(order())
    platform.run()
    assert platform.state(lost) is State.DONE


def test_a_queue_is_filled_up_to_its_limit(platform: Platform) -> None:
    for _ in range(LONGEST_QUEUE + 20):
        platform.outbox.accept(order())
    while platform.relay.step():
        pass
    assert len(platform.queue.ready) == LONGEST_QUEUE
    platform.worker.step()
    assert platform.relay.step()
    assert len(platform.queue.ready) == LONGEST_QUEUE


def test_a_queue_that_came_back_empty_is_filled_again_at_once(platform: Platform) -> None:
    hire_id = platform.outbox.accept(order())
    platform.relay.step()
    platform.queue.lose()
    platform.run()
    assert platform.state(hire_id) is State.DONE


def test_a_message_for_a_finished_hire_is_dropped(platform: Platform) -> None:
    hire_id = platform.outbox.accept(order())
    platform.run()
    platform.queue.add([hire_id])
    platform.worker.step()
    assert platform.queue.pending == []


def test_a_hire_that_another_worker_holds_is_left_to_it(platform: Platform) -> None:
    hire_id = platform.outbox.accept(order())
    platform.relay.step()
    with platform.outbox.claim(hire_id):
        platform.worker.step()
    assert platform.state(hire_id) is State.ACCEPTED


def test_what_fails_in_passing_is_tried_again_later_and_later(platform: Platform) -> None:
    platform.booking = UpstreamUnavailableError("cs1", "is away", 0.1)
    hire_id = platform.outbox.accept(order())
    pauses = []
    for _ in range(6):
        platform.run()
        row = platform.outbox.rows[hire_id]
        pauses.append(row.due - platform.outbox.now)
        platform.outbox.now = row.due
    assert pauses == sorted(pauses)
    assert (row.attempts, row.error, platform.queue.pending) == (6, "cs1 is away", [])
    platform.booking = Done(transfer_id=TRANSFER)
    platform.run()
    assert platform.state(hire_id) is State.DONE


def test_an_upstream_that_says_when_is_not_asked_before(platform: Platform) -> None:
    platform.booking = UpstreamUnavailableError("cs1", "is left alone", 7.0)
    hire_id = platform.outbox.accept(order())
    platform.run()
    assert platform.outbox.rows[hire_id].due == 7.0


def test_a_worker_that_fails_leaves_its_message_to_another(platform: Platform) -> None:
    hire_id = platform.outbox.accept(order())
    platform.relay.step()
    platform.outbox.fail_commit = True
    with pytest.raises(DatabaseUnavailableError):
        platform.worker.step()
    assert len(platform.queue.pending) == 1
    platform.queue.reclaim()
    platform.run()
    assert platform.state(hire_id) is State.DONE


def test_an_error_that_nobody_foresaw_postpones_one_hire(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.booking = ZeroDivisionError()
    hire_id = platform.outbox.accept(order())
    platform.run()
    row = platform.outbox.rows[hire_id]
    assert (row.attempts, row.error, platform.queue.pending) == (1, "ZeroDivisionError", [])
    assert row.due > platform.outbox.now
    assert [record.exc_info is not None for record in caplog.records] == [True]
    platform.booking = Done(transfer_id=TRANSFER)
    platform.outbox.now = row.due
    platform.run()
    assert platform.state(hire_id) is State.DONE


def test_a_worker_without_a_message_does_nothing(platform: Platform) -> None:
    assert platform.worker.step()


@pytest.mark.parametrize(
    ("attempts", "longest"), [(0, 0.2), (1, 0.4), (5, 6.4), (9, LONGEST_PAUSE), (10**6, 30.0)]
)
def test_a_pause_doubles_up_to_its_limit(attempts: int, longest: float) -> None:
    random.seed(attempts)
    pauses = [backoff(attempts) for _ in range(50)]
    assert longest / 2 <= min(pauses) <= max(pauses) <= longest


class Works:
    """One skill, and its books."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def search(self, text: str, limit: int) -> list[Hit]:
        self.asked.append(f"search {text} {limit}")
        return [Hit(skill=Skill(id=UUID(int=1), name="welding", category="welder"), distance=0.0)]

    def book(self, _: Hire) -> UUID:
        self.asked.append("book")
        return TRANSFER


def test_somebody_is_found_before_the_fee_is_booked() -> None:
    works = Works()
    step = NextStep(works, Kept(lambda: Roster(idle={"welder": (AGENT,)}), 9.0), works)
    assert step(hire()) == Matched(agent=AGENT)
    assert step(hire(State.MATCHED, agent=AGENT)) == Done(transfer_id=TRANSFER)
    assert works.asked == ["search welding 5", "book"]


def test_a_hire_for_which_nobody_is_free_is_rejected() -> None:
    works = Works()
    step = NextStep(works, Kept(lambda: Roster(idle={}), 9.0), works)
    assert step(hire()) == Rejected(reason="Nobody who can do that is free.")


def test_nobody_is_rejected_by_an_old_roster() -> None:
    idle: dict[str, tuple[Agent, ...]] = {}
    works = Works()
    rosters = Kept(lambda: Roster(idle=dict(idle)), 9.0)
    rosters.value()
    idle["welder"] = (AGENT,)
    assert NextStep(works, rosters, works)(hire()) == Matched(agent=AGENT)
