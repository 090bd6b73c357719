"""Redis for what can do without it: short time-outs, a circuit breaker, one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from gateway.breaker import Breaker

T = TypeVar("T")

EDGE_TIMEOUT = 0.25  # seconds that a client's request waits for the cache or its limit


class RedisUnavailableError(Exception):
    """Redis doesn't answer, or was left alone because it didn't."""


class RedisGuard:
    """Calls on Redis that are given up early."""

    def __init__(self, redis: Redis, breaker: Breaker) -> None:
        """Take the client and its circuit."""
        self._redis = redis
        self.breaker = breaker

    def call(self, operation: Callable[[Redis], T]) -> T:
        """Return what an operation returns; raises RedisUnavailableError."""
        if self.breaker.wait() > 0:
            raise RedisUnavailableError
        try:
            found = operation(self._redis)
        except RedisError as error:
            self.breaker.failed()
            raise RedisUnavailableError from error
        self.breaker.succeeded()
        return found


def open_redis(url: str, timeout: float) -> Redis:
    """Return a client that has opened no connection yet, with a time-out in seconds.

    One retry and no pause: a connection that a restart has broken is replaced unseen, and a server
    that is away is found out at once. redis-py's own default would wait for seconds. A time-out isn't
    repeated: who waited has waited enough.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="replace",  # what isn't ours may be anything: it is dropped, not stumbled over
        socket_connect_timeout=min(timeout, 1.0),
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
