"""Our side of the contracts: the clients ask and understand, the stand-ins answer, as it is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from gateway.errors import UpstreamRefusedError, UpstreamUnavailableError
from gateway.hires import Hire, State
from gateway.upstream.ledger import Ledger
from gateway.upstream.service import Service
from gateway.upstream.staff import LONGEST_LOOK, MOST_PAGES, PAGE, Staff
from gateway_contracts import Interaction, check, contract, deviations, skill_values
from gateway_memory import hire, order
from gateway_standins import StandInLedger, StandInStaff

HIRE, OTHER, NOBODY = UUID(int=7), UUID(int=8), UUID(int=9)
ACCOUNTS = {"payer": str(UUID(int=1)), "payee": str(UUID(int=2)), "nobody": str(NOBODY)}
CS1_VALUES = {"hire": str(HIRE), "other_hire": str(OTHER), **ACCOUNTS}
PLANT_VALUES = {"tenant": "works", "agent": "Anna", **skill_values("TIG welding", "welder")}
CS1 = {each.name: each for each in contract("cs1")}
PLANT = {each.name: each for each in contract("plant")}


def client(interaction: Interaction, values: dict[str, Any]) -> Service:
    """Return a service that knows one recorded request, and its answer."""
    asked = interaction.asked(values)

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert (request.method, request.url.path) == (asked["method"], asked["path"])
        assert dict(request.url.params) == asked.get("query", {})
        expected = asked.get("headers", {})
        assert {name: request.headers.get(name) for name in expected} == expected
        assert (json.loads(request.content) if request.content else None) == asked.get("json")
        return interaction.answered(values)

    return Service("peer", "http://peer.test", 1.0, httpx2.MockTransport(answer))


def ledger(name: str) -> Ledger:
    return Ledger(client(CS1[name], CS1_VALUES))


def staff(name: str) -> Staff:
    return Staff(client(PLANT[name], PLANT_VALUES), "works")


def matched(hire_id: UUID, fee: int = 250, payee: str = ACCOUNTS["payee"]) -> Hire:
    return replace(hire(State.MATCHED), id=hire_id, order=replace(order(fee), payee=UUID(payee)))


@pytest.mark.parametrize("name", ["a fee is booked", "the same again is answered and not booked"])
def test_a_fee_is_booked_as_recorded(name: str) -> None:
    assert ledger(name).book(matched(HIRE)) == UUID("0a0a0a0a-0000-4000-8000-000000000001")


@pytest.mark.parametrize(
    ("name", "subject", "problem"),
    [
        ("a payer without funds is refused", matched(OTHER, 999999999), "insufficient-funds"),
        ("an unknown payee is refused", matched(OTHER, 1, str(NOBODY)), "unknown-account"),
    ],
)
def test_a_refusal_ends_the_hire(name: str, subject: Hire, problem: str) -> None:
    with pytest.raises(UpstreamRefusedError) as caught:
        ledger(name).book(subject)
    assert caught.value.problem == problem


def test_a_key_that_stands_for_something_else_does_not_end_the_hire() -> None:
    """Something was booked under it: a hire that ended as rejected would deny that."""
    with pytest.raises(UpstreamUnavailableError, match="idempotency-key-reused"):
        ledger("a key that stands for another transfer is refused").book(matched(HIRE, 251))


def test_a_balance_is_read_as_recorded() -> None:
    found = ledger("a balance is read").balance(UUID(int=1))
    assert (found.currency, found.balance, found.entries) == ("EUR", 750, 2)


def test_an_unknown_account_is_passed_on() -> None:
    with pytest.raises(UpstreamRefusedError) as caught:
        ledger("an unknown account has no balance").balance(NOBODY)
    assert (caught.value.status, caught.value.problem) == (404, "not-found")


@pytest.mark.parametrize("name", ["a skill is added", "the same again finds it"])
def test_a_skill_is_added_as_recorded(name: str) -> None:
    assert staff(name).add_skill("TIG welding", "welder").category == "welder"


def test_a_taken_name_is_passed_on() -> None:
    with pytest.raises(UpstreamRefusedError) as caught:
        staff("another skill under a name that is taken is refused").add_skill("TIG welding", "another")
    assert caught.value.status == 409


def test_a_search_is_asked_as_recorded() -> None:
    (hit,) = staff("a search names the nearest first").search("TIG welding", 5)
    assert (hit.skill.name, hit.distance) == ("TIG welding", 0.0)


def test_roles_and_agents_are_read_as_recorded() -> None:
    pages = {"/job-roles": PLANT["job roles come in pages"], "/agents": PLANT["agents come in pages"]}

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = pages[request.url.path].asked(PLANT_VALUES)
        assert dict(request.url.params) == asked["query"]
        return pages[request.url.path].answered(PLANT_VALUES)

    found = Staff(Service("plant", "http://plant.test", 1.0, httpx2.MockTransport(answer)), "works").roster()
    assert {role: [agent.name for agent in agents] for role, agents in found.idle.items()} == {
        "welder": ["Anna"]
    }


def test_every_page_is_read_and_only_the_idle_count() -> None:
    stand_in = StandInStaff()
    for number in range(450):
        stand_in.employ(f"agent {number:03}", "welder", "idle" if number % 9 else "retired")
    stand_in.employ("loner", "cook")
    stand_in.roles.pop()
    staff = Staff(Service("plant", "http://plant.test", 1.0, stand_in.transport), "works")
    assert len(staff.roster().idle["welder"]) == 400
    assert len(stand_in.requests) == 4
    assert "cook" not in staff.roster().idle


def test_a_staff_beyond_the_last_page_that_is_asked_for_is_not_taken_for_all_of_it() -> None:
    stand_in = StandInStaff()
    for number in range(PAGE * MOST_PAGES):
        stand_in.employ(f"agent {number:05}", "welder")
    staff = Staff(Service("plant", "http://plant.test", 1.0, stand_in.transport), "works", lambda: 0.0)
    assert staff.roster().whole
    stand_in.employ("the one too many", "welder")
    found = staff.roster()
    assert (found.whole, len(found.idle["welder"])) == (False, PAGE * MOST_PAGES)


def test_a_works_that_takes_its_time_is_not_looked_through_for_longer_than_that() -> None:
    stand_in = StandInStaff()
    for number in range(5 * PAGE):
        stand_in.employ(f"agent {number:05}", "welder")

    def clock() -> float:
        return len(stand_in.requests) * LONGEST_LOOK / 3

    staff = Staff(Service("plant", "http://plant.test", 1.0, stand_in.transport), "works", clock)
    found = staff.roster()
    assert (found.whole, len(found.idle["welder"])) == (False, 2 * PAGE)


@pytest.fixture
def http() -> Iterator[Callable[[httpx2.MockTransport], httpx2.Client]]:
    clients: list[httpx2.Client] = []

    def make(transport: httpx2.MockTransport) -> httpx2.Client:
        clients.append(httpx2.Client(base_url="http://peer.test", transport=transport))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


def test_the_ledger_s_stand_in_keeps_the_contract(
    http: Callable[[httpx2.MockTransport], httpx2.Client],
) -> None:
    stand_in = StandInLedger()
    payer, payee = stand_in.open(1000), stand_in.open()
    values = {**CS1_VALUES, "payer": str(payer), "payee": str(payee)}
    client = http(stand_in.transport)
    assert [check(client, each, values) for each in contract("cs1")] == [[]] * len(CS1)


def test_the_staff_s_stand_in_keeps_the_contract(
    http: Callable[[httpx2.MockTransport], httpx2.Client],
) -> None:
    stand_in = StandInStaff()
    stand_in.employ("Anna", "welder")
    client = http(stand_in.transport)
    assert [check(client, each, PLANT_VALUES) for each in contract("plant")] == [[]] * len(PLANT)


@pytest.mark.parametrize(
    ("expected", "found", "fault"),
    [
        ({"id": "x"}, {}, "$.id: missing"),
        ({"id": "x"}, [], "$: [] is not like {'id': 'x'}"),
        ([{"id": "x"}], [], "$: [] is not like [{'id': 'x'}]"),
        ([{"n": 1}], [{"n": "1"}], "$[0].n: '1' is not like 1"),
        ("=EUR", "USD", "$: 'USD' is not like '=EUR'"),
        (0.5, "near", "$: 'near' is not like 0.5"),
        (
            "0a0a0a0a-0000-4000-8000-000000000001",
            "7",
            "$: '7' is not like '0a0a0a0a-0000-4000-8000-000000000001'",
        ),
        (None, "page2", "$: 'page2' is not like None"),
    ],
)
def test_a_broken_contract_is_noticed(expected: Any, found: Any, fault: str) -> None:
    assert deviations(expected, found) == [fault]
