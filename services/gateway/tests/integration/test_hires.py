"""POST /hires and what comes of it, on a real PostgreSQL and Redis."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx2
import pytest
from starlette.testclient import TestClient

from gateway.parts import Parts
from gateway_client import GatewayClient
from gateway_standins import Fault, StandInLedger, StandInStaff, down, slow


def test_a_hire_is_accepted_at_once_and_done_soon(
    running: GatewayClient, ledger: StandInLedger, staff: StandInStaff
) -> None:
    payer, payee = ledger.open(1000), ledger.open()
    accepted = running.hire(payer, payee, 250)
    assert accepted.status_code == 202
    shown = accepted.json()
    assert (shown["state"], shown["agent"], shown["transfer"]) == ("accepted", None, None)
    assert accepted.headers["Location"] == f"/hires/{shown['id']}"
    done = running.finished(shown["id"])
    assert (done["state"], done["agent"]["id"]) == ("done", staff.agents[0]["id"])
    assert done["transfer"] == ledger.booked[f"hire-{shown['id']}"][0]
    assert (ledger.balances[str(payer)], ledger.balances[str(payee)]) == (750, 250)
    assert running.read("/backlog") == {"waiting": 0, "oldest_seconds": 0.0}


def test_a_payer_without_funds_is_told_so_in_the_end(running: GatewayClient, ledger: StandInLedger) -> None:
    rejected = running.finished(running.hired(ledger.open(10), ledger.open(), 11))
    assert (rejected["state"], rejected["transfer"]) == ("rejected", None)
    assert rejected["reason"] == "cs1: insufficient-funds, in words"


def test_nobody_who_can_do_it_is_an_end_too(running: GatewayClient, ledger: StandInLedger) -> None:
    payer = ledger.open(1000)
    rejected = running.finished(running.hired(payer, ledger.open(), skill="crane driving"))
    assert (rejected["state"], rejected["agent"]) == ("rejected", None)
    assert ledger.balances[str(payer)] == 1000


def test_many_hires_at_once_are_all_done_once(running: GatewayClient, ledger: StandInLedger) -> None:
    payer, payee = ledger.open(10_000), ledger.open()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: running.hired(payer, payee, 10), range(40)))
    assert {hire["state"] for hire in running.all_finished(ids)} == {"done"}
    assert (ledger.balances[str(payee)], ledger.entries[str(payee)]) == (400, 40)


def test_the_same_key_is_the_same_hire(http: TestClient) -> None:
    client, payer, payee = GatewayClient(http), uuid4(), uuid4()
    first = client.hire(payer, payee, key="order-7")
    again = client.hire(payer, payee, key="order-7")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert client.read("/backlog")["waiting"] == 1


def test_the_same_key_for_another_hire_is_refused(http: TestClient) -> None:
    client, payer, payee = GatewayClient(http), uuid4(), uuid4()
    client.hire(payer, payee, 250, key="order-7")
    other = client.hire(payer, payee, 251, key="order-7")
    assert (other.status_code, other.json()["type"]) == (422, "urn:gateway:problem:idempotency-key-reused")


def test_a_key_belongs_to_its_client(http: TestClient) -> None:
    body = {"skill": "welding", "payer": str(uuid4()), "payee": str(uuid4()), "fee": 1}
    ids = {
        http.post("/hires", json=body, headers={"Idempotency-Key": "1", "X-Client": client}).json()["id"]
        for client in ("anna", "bela", "anna")
    }
    assert len(ids) == 2


@pytest.mark.parametrize("fault", [down, slow], ids=["down", "slow"])
def test_a_ledger_that_is_away_delays_a_hire_and_books_it_once(
    running: GatewayClient, ledger: StandInLedger, fault: Fault
) -> None:
    payer, payee = ledger.open(1000), ledger.open()
    ledger.before = fault
    hire_id = running.hired(payer, payee)
    _wait_for(running, hire_id, "matched")
    ledger.before = None
    assert running.finished(hire_id)["state"] == "done"
    assert ledger.entries[str(payee)] == 1


def test_an_answer_that_got_lost_books_nothing_twice(running: GatewayClient, ledger: StandInLedger) -> None:
    payer, payee = ledger.open(1000), ledger.open()
    lost: list[str] = []

    def once(request: httpx2.Request) -> Exception | None:
        lost.append(request.headers["Idempotency-Key"])
        return httpx2.ReadTimeout("no answer") if len(lost) == 1 else None

    ledger.after = once
    hire_id = running.hired(payer, payee)
    assert running.finished(hire_id)["state"] == "done"
    assert lost == [f"hire-{hire_id}"] * 2
    assert (ledger.balances[str(payee)], ledger.entries[str(payee)]) == (250, 1)


def test_a_works_that_is_away_delays_a_hire(
    running: GatewayClient, ledger: StandInLedger, staff: StandInStaff
) -> None:
    staff.before = down
    hire_id = running.hired(ledger.open(1000), ledger.open())
    assert running.state(hire_id) == "accepted"
    staff.before = None
    assert running.finished(hire_id)["state"] == "done"


def test_an_agent_who_was_found_stays_though_the_staff_changes(
    running: GatewayClient, ledger: StandInLedger, staff: StandInStaff
) -> None:
    ledger.before = down
    hire_id = running.hired(ledger.open(1000), ledger.open())
    _wait_for(running, hire_id, "matched")
    chosen = running.read(f"/hires/{hire_id}")["agent"]
    staff.agents[0]["status"] = "retired"
    staff.employ("Bela", "welder")
    ledger.before = None
    assert running.finished(hire_id)["agent"] == chosen


def test_a_hire_that_does_not_exist_is_not_found(http: TestClient) -> None:
    answer = http.get(f"/hires/{UUID(int=1)}", headers={"X-Client": "tests"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:gateway:problem:not-found")


def test_a_hire_of_another_client_is_not_found_either(http: TestClient) -> None:
    """Word by word what who asks for one that doesn't exist is told."""
    body = {"skill": "welding", "payer": str(uuid4()), "payee": str(uuid4()), "fee": 1}
    accepted = http.post("/hires", json=body, headers={"Idempotency-Key": "1", "X-Client": "anna"})
    hire_id = accepted.json()["id"]
    assert http.get(f"/hires/{hire_id}", headers={"X-Client": "anna"}).json() == accepted.json()
    for headers in ({"X-Client": "bela"}, {}):
        answer, missing = (http.get(f"/hires/{each}", headers=headers) for each in (hire_id, UUID(int=1)))
        assert (answer.status_code, missing.status_code) == (404, 404)
        assert answer.text.replace(hire_id, "") == missing.text.replace(str(UUID(int=1)), "")


def test_an_invalid_hire_is_refused_without_repeating_what_was_sent(http: TestClient) -> None:
    answer = http.post(
        "/hires",
        json={"skill": "welding", "payer": "s3cret", "payee": str(uuid4()), "fee": 1},
        headers={"Idempotency-Key": "1"},
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["at"] == "body/payer"
    assert "s3cret" not in answer.text


def test_work_that_was_accepted_waits_for_a_restart(
    parts: Parts, http: TestClient, ledger: StandInLedger
) -> None:
    """The process that accepts has no relay running: another one, started later, finds the work."""
    client = GatewayClient(http)
    client.add_skill("TIG welding", "welder")
    hire_id = client.hired(ledger.open(1000), ledger.open())
    assert client.read("/backlog")["waiting"] == 1
    parts.background.start()
    assert client.finished(hire_id)["state"] == "done"


def _wait_for(client: GatewayClient, hire_id: str, state: str) -> None:
    deadline = time.monotonic() + 10
    while (found := client.state(hire_id)) != state:
        assert time.monotonic() < deadline, f"{hire_id} is {found}"
        time.sleep(0.01)
