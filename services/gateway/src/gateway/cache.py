"""Answers of the upstreams, kept in Redis: fresh ones spare a call, stale ones stand in for a failed one."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from gateway.errors import UpstreamUnavailableError
from gateway.redis_guard import RedisGuard, RedisUnavailableError

KEEP = 3600  # seconds that an answer can stand in for a failed one

B = TypeVar("B", bound=BaseModel)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached(Generic[B]):
    """An answer, its age in seconds, and whether it is only here because there is no newer one."""

    body: B
    age: float
    degraded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept(Generic[B]):
    at: float
    body: B


class Cache:
    """Read through Redis. Without Redis every answer is fetched."""

    def __init__(self, guard: RedisGuard, clock: Callable[[], float] = time.time) -> None:
        """Take Redis behind its guard, and what tells the time: the same for all processes."""
        self._guard = guard
        self._clock = clock

    def read(self, key: str, kind: type[B], fresh: float, fetch: Callable[[], B]) -> Cached[B]:
        """Return a kept answer that is at most `fresh` seconds old, or fetch one and keep it.

        With `fresh` = 0 one is always fetched. When the fetch raises UpstreamUnavailableError an older
        answer is returned if there is one.
        """
        kept = self._get(key, kind)
        # Below zero when the clock of who kept it is ahead of ours: nobody knows how old it is.
        age = self._clock() - kept.at if kept else 0.0
        if kept and fresh > 0.0 and 0.0 <= age <= fresh:
            return Cached(body=kept.body, age=age, degraded=False)
        try:
            body = fetch()
        except UpstreamUnavailableError as error:
            if kept is None:
                raise
            logger.warning("degraded", extra={"fields": {"cause": str(error)}})
            return Cached(body=kept.body, age=max(age, 0.0), degraded=True)
        self._put(key, body)
        return Cached(body=body, age=0.0, degraded=False)

    def _get(self, key: str, kind: type[B]) -> _Kept[B] | None:
        try:
            text = self._guard.call(lambda redis: redis.get(f"cache:{key}"))
            if text is None:
                return None
            entry = json.loads(str(text))
            return _Kept(at=entry["at"], body=kind.model_validate(entry["body"]))
        except (RedisUnavailableError, ValueError, LookupError, TypeError):
            return None  # away, or written by another release

    def _put(self, key: str, body: BaseModel) -> None:
        text = json.dumps({"at": self._clock(), "body": body.model_dump(mode="json")})
        try:
            self._guard.call(lambda redis: redis.set(f"cache:{key}", text, ex=KEEP))
        except RedisUnavailableError:
            logger.debug("not kept")
