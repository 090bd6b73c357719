"""Rate limits in Redis, and without it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from redis import Redis
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from gateway.api import create_app
from gateway.errors import DatabaseUnavailableError
from gateway.limits.gcra import decide
from gateway.limits.limiter import SCRIPT, PlanBook, take
from gateway.limits.plans import Plan
from gateway.parts import Parts, build
from gateway.redis_guard import open_redis
from gateway.settings import Settings

TRICKLE = {"X-Client": "trickle"}  # one request a second, three at once: tests/seeds/plans.sql


@pytest.fixture
def parts(parts: Parts) -> Parts:
    """Return a gateway that knows the plans, though its loops don't run."""
    parts.plans.renew()
    return parts


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with open_redis(settings.redis_url, 2.0) as client:
        yield client


@contextmanager
def locked_plans(engine: Engine) -> Iterator[None]:
    """Let nobody read the plans while the block runs."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE plans"))
        yield


def statuses(http: TestClient, count: int, headers: dict[str, str]) -> Counter[int]:
    return Counter(http.get("/backlog", headers=headers).status_code for _ in range(count))


def test_who_asks_for_more_than_was_agreed_on_is_told_to_wait(http: TestClient) -> None:
    answers = [http.get("/backlog", headers=TRICKLE) for _ in range(4)]
    assert [answer.headers.get("RateLimit-Remaining") for answer in answers] == ["2", "1", "0", None]
    refused = answers[-1]
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json()["type"] == "urn:gateway:problem:rate-limited"
    time.sleep(1.0)
    assert http.get("/backlog", headers=TRICKLE).status_code == 200


def test_clients_without_a_plan_have_the_default_one(settings: Settings) -> None:
    own = replace(settings, default_plan=Plan(per_second=1, burst=2))
    parts = build(own)
    http = TestClient(create_app(parts))
    assert statuses(http, 4, {"X-Client": "stranger"}) == {200: 2, 429: 2}
    assert statuses(http, 3, {}) == {200: 2, 429: 1}
    parts.close()


def test_a_client_s_name_must_be_one(http: TestClient) -> None:
    assert http.get("/backlog", headers={"X-Client": "a b"}).status_code == 422


def test_health_is_never_limited(http: TestClient) -> None:
    assert {http.get("/health", headers=TRICKLE).status_code for _ in range(6)} == {200}


def test_processes_share_a_limit(settings: Settings, http: TestClient) -> None:
    other = build(settings)
    other.plans.renew()
    second = TestClient(create_app(other))
    found = Counter(each.get("/backlog", headers=TRICKLE).status_code for each in (http, second) * 3)
    other.close()
    assert found == {200: 3, 429: 3}


def test_without_redis_each_process_counts_for_itself(settings: Settings) -> None:
    deserted = replace(settings, redis_url="redis://127.0.0.1:1/0")  # nobody listens on port 1
    parts = build(deserted)
    parts.plans.renew()
    http = TestClient(create_app(parts))
    assert statuses(http, 5, TRICKLE) == {200: 3, 429: 2}
    assert http.get("/health").json()["circuits"]["redis"] == "open"
    parts.close()


def test_the_script_counts_as_the_model_does(redis: Redis) -> None:
    plan = Plan(per_second=500, burst=4)
    tat = 0
    for number in range(60):
        allowed, remaining, early, after, now = cast(
            list[Any], redis.eval(SCRIPT, 1, "limit:model", plan.interval, plan.burst)
        )
        expected = decide(tat, int(now), plan)
        assert (bool(allowed), remaining, early) == (
            expected.allowed,
            expected.remaining,
            round(expected.wait * 1e6),
        )
        assert int(after) == expected.tat
        tat = expected.tat
        time.sleep(0.004 if number % 10 == 9 else 0)


def test_a_limit_takes_no_room_when_it_is_whole_again(redis: Redis) -> None:
    take(redis, "short", Plan(per_second=100, burst=1))
    time.sleep(0.015)
    assert redis.exists("limit:short") == 0
    take(redis, "long", Plan(per_second=1, burst=1))
    assert 0 < cast(int, redis.pttl("limit:long")) <= 1001


def test_threads_at_once_get_no_more_than_the_burst(redis: Redis) -> None:
    plan = Plan(per_second=1, burst=10)
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: take(redis, "crowd", plan).allowed, range(40)))
    assert sum(allowed) == 10


def test_plans_are_kept_while_they_can_not_be_read(parts: Parts) -> None:
    default = Plan(per_second=9, burst=9)
    book = PlanBook(parts.engine, default)
    assert book.plan_of("trickle") == default
    book.renew()
    with locked_plans(parts.engine), pytest.raises(DatabaseUnavailableError):
        book.renew()
    assert book.plan_of("trickle") == Plan(per_second=1, burst=3)
    assert book.plan_of("stranger") == default


def test_nobody_waits_while_the_plans_are_read(parts: Parts, http: TestClient) -> None:
    with ThreadPoolExecutor(1) as pool, locked_plans(parts.engine):
        reading = pool.submit(parts.plans.renew)
        limits = [http.get("/backlog", headers=TRICKLE).headers["RateLimit-Limit"] for _ in range(2)]
        assert (limits, reading.done()) == (["3", "3"], False)


def test_a_gateway_that_starts_reads_the_plans_by_itself(settings: Settings) -> None:
    starting = build(settings)
    with TestClient(create_app(starting)):
        deadline = time.monotonic() + 5.0
        while starting.plans.plan_of("trickle") == settings.default_plan:
            assert time.monotonic() < deadline
            time.sleep(0.01)
