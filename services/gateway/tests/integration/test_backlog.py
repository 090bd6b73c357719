"""Relay and worker with more to do than they can at once, on a real PostgreSQL and Redis."""

from __future__ import annotations

import time
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from redis import Redis

from gateway.hires import Hire, Rejected, Step
from gateway.parts import Parts
from gateway.relay import Relay
from gateway.stream import STREAM, HireStream
from gateway.worker import Worker
from gateway_memory import order

LEASE = 0.2
SOME = 30


@pytest.fixture
def redis(parts: Parts) -> Redis:
    return parts.redis[1]


@pytest.fixture
def stream(redis: Redis) -> HireStream:
    return HireStream(redis, LEASE)


@pytest.fixture
def relay(parts: Parts, stream: HireStream) -> Relay:
    return Relay(parts.store, stream, LEASE)


@pytest.fixture
def worker(parts: Parts, stream: HireStream) -> Worker:
    return Worker("one", parts.store, stream, slowly, 0.01)


@pytest.fixture
def backlog(parts: Parts) -> list[UUID]:
    return [parts.store.accept(order(key=uuid4().hex)).hire.id for _ in range(SOME)]


def slowly(_: Hire) -> Step:
    time.sleep(LEASE / 5)
    return Rejected(reason="no")


def added(redis: Redis) -> int:
    """Count what was ever added, deleted or not."""
    return int(cast(dict[str, Any], redis.xinfo_stream(STREAM))["entries-added"])


@pytest.mark.usefixtures("backlog")
def test_each_hire_of_a_backlog_is_added_once_though_it_waits_for_several_leases(
    parts: Parts, redis: Redis, relay: Relay, worker: Worker
) -> None:
    begun = time.monotonic()
    while parts.store.backlog().waiting:
        relay.step()
        worker.step()
    assert time.monotonic() - begun > 3 * LEASE
    assert (added(redis), redis.xlen(STREAM)) == (SOME, 0)


def test_what_got_lost_out_of_a_queue_that_stayed_is_added_again(
    parts: Parts, redis: Redis, relay: Relay, worker: Worker, backlog: list[UUID]
) -> None:
    relay.step()
    redis.xtrim(STREAM, maxlen=SOME // 3, approximate=False)
    deadline = time.monotonic() + 20
    while parts.store.backlog().waiting and time.monotonic() < deadline:
        relay.step()
        worker.step()
    assert all(parts.store.hire(hire_id).state.final for hire_id in backlog)
    assert added(redis) == SOME + SOME - SOME // 3


def test_a_queue_tells_its_length_and_the_age_of_its_oldest_message(stream: HireStream) -> None:
    stream.ensure()
    assert (stream.queued().messages, stream.queued().oldest) == (0, 0.0)
    stream.add([uuid4(), uuid4()])
    time.sleep(0.1)
    for _ in range(2):  # whether somebody works on it or not
        queued = stream.queued()
        assert queued.messages == 2
        assert 0.1 <= queued.oldest < 10
        assert stream.take("one", 0.01) is not None
