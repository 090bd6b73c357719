"""What is read through the gateway, and what it answers on the bad days of others."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from gateway.parts import Parts
from gateway_client import CLIENT, GatewayClient
from gateway_standins import Fault, StandInLedger, StandInStaff, down, slow

STALE = '110 gateway "Response is Stale"'


@pytest.fixture
def client(http: TestClient) -> GatewayClient:
    return GatewayClient(http)


def test_a_balance_is_asked_for_each_time(client: GatewayClient, ledger: StandInLedger) -> None:
    account = ledger.open(100)
    first = client.balance(account)
    ledger.balances[str(account)] = 90
    second = client.balance(account)
    assert (first.json()["balance"], second.json()["balance"]) == (100, 90)
    assert first.json() == {"account": str(account), "currency": "EUR", "balance": 100, "degraded": False}
    assert "Warning" not in first.headers


@pytest.mark.parametrize("fault", [down, slow], ids=["down", "slow"])
def test_a_ledger_that_is_away_is_quoted_as_it_was(
    client: GatewayClient, ledger: StandInLedger, fault: Fault
) -> None:
    account = ledger.open(100)
    client.balance(account)
    ledger.before = fault
    answer = client.balance(account)
    assert (answer.status_code, answer.json()["balance"], answer.json()["degraded"]) == (200, 100, True)
    assert answer.headers["Warning"] == STALE
    assert int(answer.headers["Age"]) >= 0


def test_what_was_never_asked_for_can_not_be_quoted(client: GatewayClient, ledger: StandInLedger) -> None:
    ledger.before = down
    answer = client.balance(ledger.open(100))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "urn:gateway:problem:upstream-unavailable"


def test_an_unknown_account_stays_unknown(client: GatewayClient) -> None:
    answer = client.balance(uuid4())
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:gateway:problem:upstream-refused")


def test_a_skill_that_was_added_is_found(client: GatewayClient) -> None:
    added = client.add_skill("TIG welding", "welder")
    client.add_skill("bread baking", "baker")
    assert added.status_code == 201
    found = client.search("weld pipes").json()
    assert found["degraded"] is False
    assert [hit["skill"]["name"] for hit in found["hits"]] == ["TIG welding", "bread baking"]
    assert found["hits"][0]["skill"] == added.json()


def test_a_search_is_not_repeated_while_its_answer_is_fresh(
    client: GatewayClient, staff: StandInStaff
) -> None:
    client.add_skill("TIG welding", "welder")
    asked = [client.search(text).json() for text in ("Welding", "welding", "WELDING")]
    assert asked[0] == asked[1] == asked[2]
    assert [request.url.path for request in staff.requests] == ["/skills", "/skills/search"]


def test_a_search_for_more_is_not_answered_with_fewer(client: GatewayClient) -> None:
    for name in ("TIG welding", "MIG welding", "spot welding"):
        client.add_skill(name, "welder")
    found = [client.search("welding", limit=limit).json()["hits"] for limit in (1, 20, 1)]
    assert [len(hits) for hits in found] == [1, 3, 1]


def test_a_works_that_is_away_is_quoted_as_it_was(
    client: GatewayClient, parts: Parts, staff: StandInStaff, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add_skill("TIG welding", "welder")
    before = client.search("welding").json()["hits"]
    staff.before = down
    now = parts.cache._clock()  # noqa: SLF001  time passes
    monkeypatch.setattr(parts.cache, "_clock", lambda: now + 60)
    answer = client.search("welding")
    assert (answer.json()["hits"], answer.json()["degraded"]) == (before, True)
    assert (answer.headers["Warning"], int(answer.headers["Age"])) == (STALE, 60)


def test_a_skill_can_not_be_added_to_a_works_that_is_away(client: GatewayClient, staff: StandInStaff) -> None:
    staff.before = down
    answer = client.add_skill("TIG welding", "welder")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    staff.before = None
    assert client.add_skill("TIG welding", "welder").status_code == 201


def test_a_skill_under_a_taken_name_is_refused_as_plant_refuses_it(client: GatewayClient) -> None:
    client.add_skill("TIG welding", "welder")
    assert client.add_skill("TIG welding", "welder").status_code == 201
    assert client.add_skill("TIG welding", "artist").status_code == 409


def test_health_names_the_circuits(http: TestClient) -> None:
    assert http.get("/health").json() == {
        "status": "ok",
        "circuits": {"cs1": "closed", "plant": "closed", "redis": "closed"},
    }


def test_an_upstream_that_is_left_alone_degrades_health_but_is_no_reason_for_a_restart(
    client: GatewayClient, http: TestClient, staff: StandInStaff
) -> None:
    staff.before = down
    for _ in range(2):
        client.add_skill("TIG welding", "welder")
    answer = http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["circuits"]["plant"] in {"open", "half-open"}


def test_every_answer_has_a_request_id_which_goes_on_to_the_upstream(
    http: TestClient, ledger: StandInLedger
) -> None:
    path = f"/accounts/{ledger.open()}/balance"
    answer = http.get(path, headers={"X-Request-Id": "r-7", **CLIENT})
    assert answer.headers["X-Request-Id"] == "r-7"
    assert ledger.requests[0].headers["X-Request-Id"] == "r-7"
    made = http.get(path, headers={"X-Request-Id": "not acceptable!", **CLIENT}).headers["X-Request-Id"]
    assert UUID(made)


@pytest.mark.parametrize("query", ["like=", "like=%21", "like=x&limit=0", "like=x&limit=21", ""])
def test_a_search_that_can_not_be_meant_is_refused(http: TestClient, query: str) -> None:
    assert http.get(f"/skills?{query}", headers=CLIENT).status_code == 422


def test_what_does_not_exist_is_a_problem_too(http: TestClient) -> None:
    answer = http.get("/nothing")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_bug_is_answered_without_its_details(
    http: TestClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("s3cret")

    monkeypatch.setattr(type(parts.store), "backlog", lambda _: broken())
    answer = http.get("/backlog", headers=CLIENT)
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal error")
    assert "s3cret" not in answer.text
