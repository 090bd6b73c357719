"""A hire through all three services, every process real."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from gateway.parts import KEEP_ROSTER
from gateway_platform import Platform


def test_everybody_is_healthy(platform: Platform) -> None:
    for client in (platform.gateway.http, platform.cs1, platform.plant):
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_a_hire_from_the_search_for_a_skill_to_the_booked_fee(platform: Platform) -> None:
    payer, payee = platform.account(1000), platform.account()
    found = platform.gateway.search("welding of pipes").json()["hits"][0]["skill"]
    assert found["name"] == "TIG welding"

    first = platform.gateway.hire(payer, payee, 250, key=f"order-{payer}", skill="welding of pipes")
    again = platform.gateway.hire(payer, payee, 250, key=f"order-{payer}", skill="welding of pipes")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]

    done = platform.gateway.finished(first.json()["id"])
    assert (done["state"], done["agent"]["name"]) == ("done", "Anna")
    transfer = platform.cs1.get(f"/transfers/{done['transfer']}").json()
    assert transfer["description"] == f"hire {done['id']}"
    assert {entry["account"]: entry["side"] for entry in transfer["entries"]} == {
        payer: "debit",
        payee: "credit",
    }
    assert platform.gateway.balance(payer).json()["balance"] == platform.balance(payer) == 750
    platform.assert_booked_once([done["id"]], payee, 250)


def test_what_can_not_be_paid_or_done_is_rejected_and_books_nothing(platform: Platform) -> None:
    payer, payee = platform.account(100), platform.account()
    poor = platform.gateway.hired(payer, payee, 101)
    unknown = platform.gateway.hired(payer, payee, 1, skill="zither tuning")
    reasons = [hire["reason"] for hire in platform.gateway.all_finished([poor, unknown])]
    assert reasons[0].startswith("cs1: ")
    assert reasons[1] == "Nobody who can do that is free."
    assert platform.balance(payer) == 100
    platform.assert_booked_once([], payee, 0)


def test_many_hires_at_once_are_done_once_and_stop_where_the_money_ends(platform: Platform) -> None:
    payer, payee = platform.account(250), platform.account()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: platform.gateway.hired(payer, payee, 10), range(30)))
    hires = platform.gateway.all_finished(ids, within=20)
    done = [hire["id"] for hire in hires if hire["state"] == "done"]
    assert len(done) == 25
    platform.assert_booked_once(done, payee, 10)
    assert platform.balance(payer) == 0


def test_hires_are_spread_over_those_who_can_do_the_work(platform: Platform) -> None:
    for name in ("Bo", "Cy"):
        platform.employ(name, "baker")
    assert platform.gateway.add_skill("bread baking", "baker").status_code == 201
    time.sleep(KEEP_ROSTER)  # until the workers see both of them
    payer, payee = platform.account(1000), platform.account()
    ids = [platform.gateway.hired(payer, payee, 1, skill="bread baking") for _ in range(16)]
    chosen = {hire["agent"]["name"] for hire in platform.gateway.all_finished(ids)}
    assert chosen == {"Bo", "Cy"}


def test_the_seeded_plan_of_a_client_is_in_force(platform: Platform) -> None:
    answers = [platform.gateway.http.get("/backlog", headers={"X-Client": "trickle"}) for _ in range(5)]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    assert 429 in [answer.status_code for answer in answers[3:]]


def test_the_interface_describes_itself(platform: Platform) -> None:
    paths = platform.gateway.http.get("/openapi.json").json()["paths"]
    assert {"/hires", "/hires/{hire_id}", "/skills", "/backlog", "/health"} <= set(paths)
