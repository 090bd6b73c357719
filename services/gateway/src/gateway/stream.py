"""The queue: a Redis stream with one consumer group.

It carries no truth, only hire ids: what isn't finished stands in the outbox, and is published again
when a message, or the whole of Redis, is lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis import Redis
from redis.exceptions import ResponseError

STREAM = "hires"
GROUP = "workers"
FIELD = "hire"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A hire to work on."""

    id: str
    hire_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """How many messages aren't done, and for how many seconds the oldest of them has been there."""

    messages: int
    oldest: float


class HireStream:
    """XADD, XREADGROUP, XAUTOCLAIM, XACK. Raises redis.exceptions.RedisError where Redis is away."""

    def __init__(self, redis: Redis, lease: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take a client, and after how many seconds a message is taken from a silent worker."""
        self._redis = redis
        self._sleep = sleep
        self._lease = lease

    def ensure(self) -> bool:
        """Create the group where it is missing, and tell whether it was: then the queue was lost."""
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if str(error).startswith("BUSYGROUP"):
                return False
            raise
        return True

    def add(self, hire_ids: Sequence[UUID]) -> None:
        """Append a message for each."""
        with self._redis.pipeline() as pipeline:
            for hire_id in hire_ids:
                pipeline.xadd(STREAM, {FIELD: str(hire_id)})
            pipeline.execute()

    def queued(self) -> Queued:
        """Tell how much is in the queue, and since when; by Redis' clock alone."""
        with self._redis.pipeline() as pipeline:
            pipeline.xlen(STREAM)
            pipeline.xrange(STREAM, count=1)
            pipeline.time()
            messages, first, (seconds, microseconds) = pipeline.execute()
        if not first:
            return Queued(messages=0, oldest=0.0)
        added = int(first[0][0].partition("-")[0]) / 1000
        return Queued(messages=messages, oldest=max(seconds + microseconds / 1e6 - added, 0.0))

    def take(self, consumer: str, block: float) -> Message | None:
        """Return a message to work on, one that a silent worker has left first; wait `block` seconds.

        What is no hire's id is dropped: the stream holds no truth, so nothing is lost with it.
        """
        idle = int(self._lease * 1000)
        try:
            reclaimed: Any = self._redis.xautoclaim(STREAM, GROUP, consumer, min_idle_time=idle, count=1)
            entries = reclaimed[1]
            if not entries:
                waited = int(block * 1000)
                read: Any = self._redis.xreadgroup(GROUP, consumer, {STREAM: ">"}, count=1, block=waited)
                entries = read[0][1] if read else []
        except ResponseError as error:
            if str(error).startswith(("NOGROUP", "UNBLOCKED")):
                self._sleep(block)  # until the relay has made it, and published again what was lost with it
                return None
            raise
        if not entries:
            return None
        message_id, fields = entries[0]
        try:
            return Message(id=message_id, hire_id=UUID(fields[FIELD]))
        except (KeyError, ValueError):
            logger.warning("dropped", extra={"fields": {"message_id": message_id}})
            self._delete(message_id)
            return None

    def done(self, message: Message) -> None:
        """Take a message out of the queue."""
        self._delete(message.id)

    def _delete(self, message_id: str) -> None:
        with self._redis.pipeline() as pipeline:
            pipeline.xack(STREAM, GROUP, message_id)
            pipeline.xdel(STREAM, message_id)
            pipeline.execute()
