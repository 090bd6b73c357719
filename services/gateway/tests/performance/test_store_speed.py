from __future__ import annotations

from typing import cast
from uuid import UUID, uuid4

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from redis import Redis

from gateway.hires import State
from gateway.limits.limiter import take
from gateway.limits.plans import Plan
from gateway.parts import Parts
from gateway.stream import HireStream, Message
from gateway_memory import order


@pytest.fixture
def redis(parts: Parts) -> Redis:
    return parts.redis[1]


def test_accept_a_hire(benchmark: BenchmarkFixture, parts: Parts) -> None:
    accepted = benchmark(lambda: parts.store.accept(order(key=uuid4().hex)))
    assert accepted.hire.state is State.ACCEPTED


def test_read_a_hire(benchmark: BenchmarkFixture, parts: Parts) -> None:
    hire_id = parts.store.accept(order()).hire.id
    assert benchmark(parts.store.hire, hire_id).id == hire_id


def test_claim_a_hire(benchmark: BenchmarkFixture, parts: Parts) -> None:
    hire_id = parts.store.accept(order()).hire.id

    def claim() -> bool:
        with parts.store.claim(hire_id) as claimed:
            return claimed is not None

    assert benchmark(claim)


def test_limit_a_client(benchmark: BenchmarkFixture, redis: Redis) -> None:
    plan = Plan(per_second=100_000, burst=1_000_000)
    assert benchmark(take, redis, "fast", plan).allowed


def test_pass_a_message_through_the_queue(benchmark: BenchmarkFixture, redis: Redis) -> None:
    stream, hire_id = HireStream(redis, 60.0), UUID(int=1)
    stream.ensure()

    def through() -> UUID:
        stream.add([hire_id])
        message = cast(Message, stream.take("fast", 1.0))
        stream.done(message)
        return message.hire_id

    assert benchmark(through) == hire_id
