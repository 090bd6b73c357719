"""What ends a hire and what doesn't: the worker on the gateway's own clients of cs1 and plant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import httpx2
import pytest

from gateway.fulfilment.next_step import NextStep
from gateway.hires import Hire, State
from gateway.kept import Kept
from gateway.relay import Relay
from gateway.upstream.ledger import FINAL, Ledger
from gateway.upstream.service import REFUSALS, Service
from gateway.upstream.staff import Staff
from gateway.worker import LONGEST_PAUSE, Worker
from gateway_memory import MemoryOutbox, MemoryQueue, order
from gateway_standins import StandInLedger, StandInStaff, refused

LEASE = 10.0
Handler = Callable[[httpx2.Request], httpx2.Response]


class Platform:
    """A gateway in memory; what cs1 and plant answer can be exchanged while it runs."""

    def __init__(self) -> None:
        self.works, books = StandInStaff(), StandInLedger()
        self.works.employ("Anna", "welder")
        self.payer, self.payee = books.open(1000), books.open()
        self.plant: Handler = self.works.transport.handle_request
        self.cs1: Handler = books.transport.handle_request
        staff = Staff(self._service("plant"), "works")
        staff.add_skill("welding", "welder")
        self.outbox = MemoryOutbox()
        self.queue = MemoryQueue(lambda: self.outbox.now)
        self.relay = Relay(self.outbox, self.queue, LEASE)
        step = NextStep(staff, Kept(staff.roster, 0.0), Ledger(self._service("cs1")))
        self.worker = Worker("worker", self.outbox, self.queue, step, 0.0)

    def hire(self, skill: str = "welding") -> Hire:
        """Accept a hire and work on it until there is nothing to do at this moment."""
        wanted = replace(order(skill=skill), payer=self.payer, payee=self.payee)
        return self.worked_on(self.outbox.accept(wanted))

    def worked_on(self, hire_id: UUID) -> Hire:
        self.outbox.now += LONGEST_PAUSE
        self.relay.step()
        while self.queue.ready:
            self.worker.step()
        return self.outbox.hires[hire_id]

    def _service(self, name: str) -> Service:
        def answer(request: httpx2.Request) -> httpx2.Response:
            handler: Handler = getattr(self, name)
            return handler(request)

        return Service(name, f"http://{name}.test", 1.0, httpx2.MockTransport(answer))


@pytest.fixture
def platform() -> Platform:
    return Platform()


def refusing(service: str, status: int, slug: str) -> httpx2.Response:
    found, body = refused(service, status, slug)
    return httpx2.Response(found, json=body)


@pytest.mark.parametrize("path", ["/skills/search", "/job-roles", "/agents"])
@pytest.mark.parametrize("status", REFUSALS)
def test_no_refusal_by_plant_is_an_end(platform: Platform, status: int, path: str) -> None:
    """It has nothing to decide about a hire: a wrong address, or a version that doesn't fit, passes."""
    whole = platform.plant

    def refuse(request: httpx2.Request) -> httpx2.Response:
        return refusing("plant", status, "http") if request.url.path == path else whole(request)

    platform.plant = refuse
    hire = platform.hire()
    assert (hire.state, hire.reason) == (State.ACCEPTED, None)
    assert platform.outbox.rows[hire.id].error == "plant: http, in words"
    platform.plant = whole
    assert platform.worked_on(hire.id).state is State.DONE


@pytest.mark.parametrize("slug", FINAL)
def test_what_cs1_decides_for_good_is_an_end(platform: Platform, slug: str) -> None:
    platform.cs1 = lambda _: refusing("cs1", 422, slug)
    hire = platform.hire()
    assert (hire.state, hire.reason) == (State.REJECTED, f"cs1: {slug}, in words")


@pytest.mark.parametrize("status", REFUSALS)
def test_no_other_refusal_by_cs1_is_an_end(platform: Platform, status: int) -> None:
    whole = platform.cs1
    platform.cs1 = lambda _: refusing("cs1", status, "http")
    hire = platform.hire()
    assert hire.state is State.MATCHED
    platform.cs1 = whole
    assert platform.worked_on(hire.id).state is State.DONE


def test_nobody_among_a_part_of_the_staff_is_no_end(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.upstream.staff.PAGE", 1)
    monkeypatch.setattr("gateway.upstream.staff.MOST_PAGES", 2)
    for number in range(2):
        platform.works.employ(f"A baker {number}", "baker")  # before Anna, by name
    hire = platform.hire()
    assert hire.state is State.ACCEPTED
    assert platform.outbox.rows[hire.id].error == "plant has more staff than could be looked through"
    platform.works.agents.pop()
    assert platform.worked_on(hire.id).state is State.DONE


def test_nobody_who_can_do_it_is_an_end(platform: Platform) -> None:
    hire = platform.hire("crane driving")
    assert (hire.state, hire.reason) == (State.REJECTED, "Nobody who can do that is free.")
