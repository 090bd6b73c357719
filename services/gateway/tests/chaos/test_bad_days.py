"""What everything depends on is killed or stops answering, in the middle of a stream of hires.

While it lasts the gateway accepts hires and answers what it can. After every recovery cs1's ledger is
counted: what was acknowledged is booked, nothing is booked twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2

from gateway.limits.limiter import KEEP_PLANS
from gateway_platform import Platform
from gateway_traffic import PAUSE, traffic

SOME = 12  # hires
PROMPT = 3.0  # seconds in which everybody gets an answer, whoever is away
CROWD = 50  # clients: more than the gateway has threads (40) and connections (10)
GIVEN_UP = 10.0  # seconds after which a silent database is given up, as the README promises
BUSY = 4.0  # seconds that a busy machine adds, where nobody is held up for less than twenty
STALE = '110 gateway "Response is Stale"'


def prompt(begun: float) -> bool:
    return time.monotonic() - begun < PROMPT


def circuits(platform: Platform) -> dict[str, str]:
    found: dict[str, str] = platform.gateway.http.get("/health").json()["circuits"]
    return found


def assert_unavailable(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:gateway:problem:upstream-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_redis_that_is_lost_with_all_it_held_loses_nothing(noxlib_chaos: Any, platform: Platform) -> None:
    with traffic(platform) as running:
        running.wait_for(SOME)
        noxlib_chaos.redis.kill()
        running.wait_for(SOME)
        begun = time.monotonic()
        assert platform.gateway.search("welding").json()["degraded"] is False
        assert platform.gateway.balance(running.payer).status_code == 200
        assert prompt(begun)
        assert circuits(platform)["redis"] != "closed"
        noxlib_chaos.redis.restart()
        noxlib_chaos.wait_healthy()
        running.wait_for(SOME)
    assert running.failures == 0
    running.assert_nothing_lost_or_doubled()


def test_a_redis_that_does_not_answer_holds_nobody_up(noxlib_chaos: Any, platform: Platform) -> None:
    with traffic(platform) as running:
        running.wait_for(SOME)
        with noxlib_chaos.redis.paused():
            begun = time.monotonic()
            assert platform.gateway.balance(running.payer).status_code == 200
            assert prompt(begun)
            running.wait_for(SOME)
    assert running.failures == 0
    running.assert_nothing_lost_or_doubled()


def test_a_ledger_that_does_not_answer_delays_hires_and_is_quoted(
    noxlib_chaos: Any, platform: Platform
) -> None:
    with traffic(platform) as running:
        running.wait_for(SOME)
        before = platform.gateway.balance(running.payer).json()
        with noxlib_chaos.process("cs1").paused():
            begun = time.monotonic()
            answer = platform.gateway.balance(running.payer)
            assert prompt(begun)
            assert (answer.json()["degraded"], answer.headers["Warning"]) == (True, STALE)
            assert answer.json()["balance"] == before["balance"]
            begun = time.monotonic()
            assert_unavailable(platform.gateway.balance(uuid4()))
            assert prompt(begun)
            running.wait_for(SOME)
        noxlib_chaos.eventually(lambda: platform.gateway.balance(running.payer).json()["degraded"] is False)
    assert running.failures == 0
    running.assert_nothing_lost_or_doubled()


def test_a_works_that_is_down_delays_hires_and_is_quoted(noxlib_chaos: Any, platform: Platform) -> None:
    known = platform.gateway.search("TIG welding").json()["hits"]
    with traffic(platform) as running:
        running.wait_for(SOME)
        noxlib_chaos.process("plant").kill()
        running.wait_for(SOME)

        def degraded() -> httpx2.Response:
            answer = platform.gateway.search("TIG welding")
            assert answer.json()["degraded"] is True
            return answer

        answer = noxlib_chaos.eventually(degraded, within=10)
        assert (answer.json()["hits"], answer.headers["Warning"]) == (known, STALE)
        assert_unavailable(platform.gateway.search("never asked before"))
        assert_unavailable(platform.gateway.add_skill("gas welding", "welder"))
        noxlib_chaos.process("plant").restart()
        noxlib_chaos.wait_healthy()
        running.wait_for(SOME)
    assert running.failures == 0
    running.assert_nothing_lost_or_doubled()


def test_a_gateway_that_is_killed_loses_nothing_that_was_acknowledged(
    noxlib_chaos: Any, platform: Platform
) -> None:
    with traffic(platform) as running:
        running.wait_for(SOME)
        noxlib_chaos.process("gateway").kill()
        running.wait_for_failures()
        noxlib_chaos.process("gateway").restart()
        noxlib_chaos.wait_healthy()
        running.wait_for(SOME)
    running.assert_nothing_lost_or_doubled()


def test_a_database_that_is_killed_stops_hires_and_nothing_else(
    noxlib_chaos: Any, platform: Platform
) -> None:
    with traffic(platform) as running:
        running.wait_for(SOME)
        noxlib_chaos.postgres.kill()
        running.wait_for_failures()
        answers = platform.gateway.balance(running.payer), platform.gateway.search("welding")
        health = platform.gateway.http.get("/health")
        noxlib_chaos.postgres.restart()
        noxlib_chaos.wait_healthy()
        running.wait_for(SOME)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (health.status_code, health.headers["Retry-After"]) == (503, "1")
    assert running.statuses.keys() == {202, 503}
    running.assert_nothing_lost_or_doubled()


def test_a_database_that_does_not_answer_stops_hires_and_nothing_else(
    noxlib_chaos: Any, platform: Platform
) -> None:
    """It lasts until the plans are read again: that must hold nobody up either."""
    with traffic(platform, CROWD) as running, ThreadPoolExecutor(2) as pool:
        running.wait_for(SOME)
        with noxlib_chaos.postgres.paused():
            until = time.monotonic() + KEEP_PLANS + PROMPT
            hire = partial(platform.gateway.hire, running.payer, running.payee)
            health = partial(platform.gateway.http.get, "/health")
            refused = [pool.submit(assert_refused_in_time, each, until) for each in (hire, health)]
            while time.monotonic() < until:
                begun = time.monotonic()
                answers = platform.gateway.balance(running.payer), platform.gateway.search("welding")
                assert time.monotonic() - begun < PROMPT + BUSY
                assert [answer.status_code for answer in answers] == [200, 200]
                time.sleep(PAUSE)
            for each in refused:
                each.result()
        noxlib_chaos.wait_healthy()
        running.wait_for(SOME)
    assert running.statuses.keys() == {202, 503}
    running.assert_nothing_lost_or_doubled()


def assert_refused_in_time(request: Callable[[], httpx2.Response], until: float) -> None:
    """Ask again and again; the last answer comes after `until`."""
    while (begun := time.monotonic()) < until:
        answer = request()
        assert time.monotonic() - begun < GIVEN_UP + BUSY
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["type"] == "urn:gateway:problem:database-unavailable"
        time.sleep(PAUSE)
