"""The queue on a real Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from gateway.redis_guard import open_redis
from gateway.settings import Settings
from gateway.stream import FIELD, GROUP, STREAM, HireStream

HERE = 0.01  # seconds to wait for a message that is there, or isn't


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with open_redis(settings.redis_url, 2.0) as client:
        yield client


@pytest.fixture
def stream(redis: Redis) -> HireStream:
    return HireStream(redis, lease=0.5)


@pytest.fixture
def filled(stream: HireStream) -> list[UUID]:
    stream.ensure()
    ids = [uuid4() for _ in range(3)]
    stream.add(ids)
    return ids


def test_a_group_is_created_once(stream: HireStream) -> None:
    assert (stream.ensure(), stream.ensure()) == (True, False)


def test_each_message_goes_to_one_worker(stream: HireStream, filled: list[UUID]) -> None:
    taken = [stream.take(consumer, HERE) for consumer in ("one", "two", "one", "two")]
    assert [each.hire_id if each else None for each in taken] == [*filled, None]


def test_what_is_done_is_gone(stream: HireStream, redis: Redis, filled: list[UUID]) -> None:
    for _ in filled:
        message = stream.take("one", HERE)
        assert message is not None
        stream.done(message)
    pending = redis.xpending(STREAM, GROUP)
    assert (redis.xlen(STREAM), pending["pending"]) == (0, 0)  # type: ignore[index]


@pytest.mark.parametrize("content", [{FIELD: "no id"}, {"other": "field"}, {FIELD: ""}, {FIELD: b"\xff"}])
def test_what_is_no_hire_is_dropped_and_told(
    stream: HireStream, redis: Redis, content: dict[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    stream.ensure()
    junk = redis.xadd(STREAM, content)
    hire_id = uuid4()
    stream.add([hire_id])
    assert stream.take("one", HERE) is None
    assert [record.fields["message_id"] for record in caplog.records] == [junk]  # type: ignore[attr-defined]
    pending = redis.xpending(STREAM, GROUP)
    assert (redis.xlen(STREAM), pending["pending"]) == (1, 0)  # type: ignore[index]
    message = stream.take("one", HERE)
    assert message is not None
    assert message.hire_id == hire_id


def test_a_silent_worker_s_message_is_taken_over_after_the_lease(
    stream: HireStream, filled: list[UUID]
) -> None:
    lost = [stream.take("silent", HERE) for _ in filled]
    assert stream.take("other", HERE) is None
    time.sleep(0.55)
    assert [stream.take("other", HERE) for _ in filled] == lost


@pytest.mark.usefixtures("filled")
def test_after_a_loss_the_group_is_made_anew_and_nobody_fails_meanwhile(
    stream: HireStream, redis: Redis
) -> None:
    redis.flushdb()
    begun = time.monotonic()
    assert stream.take("one", 0.05) is None
    assert time.monotonic() - begun >= 0.05
    assert stream.ensure()
    assert stream.take("one", HERE) is None


def test_other_errors_are_not_swallowed(stream: HireStream, redis: Redis) -> None:
    redis.set(STREAM, "no stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        stream.ensure()
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        stream.take("one", HERE)
