from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.breaker import Breaker, Circuit
from gateway.cache import KEEP, Cache, Cached
from gateway.errors import UpstreamRefusedError, UpstreamUnavailableError
from gateway.redis_guard import RedisGuard, RedisUnavailableError, open_redis
from gateway.upstream.answers import Skill

SKILLS = [Skill(id=UUID(int=n), name=f"skill {n}", category="any") for n in range(3)]
AWAY = UpstreamUnavailableError("plant", "is away")


class Memory:
    """The two commands that the cache uses."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.away = False
        self.calls = 0

    def get(self, key: str) -> str | None:
        self._called()
        return self.values.get(key)

    def set(self, key: str, value: str, ex: int) -> None:
        self._called()
        assert ex == KEEP
        self.values[key] = value

    def _called(self) -> None:
        self.calls += 1
        if self.away:
            raise RedisConnectionError


class Shelf:
    """A cache, its clock, and what is fetched when it has nothing."""

    def __init__(self) -> None:
        self.memory, self.now = Memory(), 1000.0
        self.breaker = Breaker(failures=3, seconds=60.0)
        self.cache = Cache(RedisGuard(cast(Redis, self.memory), self.breaker), lambda: self.now)
        self.answers: list[Skill | Exception] = list(SKILLS)

    def read(self, fresh: float = 5.0) -> Cached[Skill]:
        return self.cache.read("skill", Skill, fresh, self.fetch)

    def fetch(self) -> Skill:
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_an_answer_is_fetched_once_while_it_is_fresh(shelf: Shelf) -> None:
    assert shelf.read() == Cached(body=SKILLS[0], age=0.0, degraded=False)
    shelf.now += 5.0
    assert shelf.read() == Cached(body=SKILLS[0], age=5.0, degraded=False)
    shelf.now += 0.1
    assert shelf.read().body == SKILLS[1]


def test_what_must_be_asked_for_each_time_is_never_fresh(shelf: Shelf) -> None:
    assert [shelf.read(fresh=0.0).body for _ in SKILLS] == SKILLS


@pytest.mark.parametrize("fresh", [0.0, 5.0])
def test_an_answer_from_the_future_is_not_fresh(shelf: Shelf, fresh: float) -> None:
    """Another process kept it, whose clock is ahead; or our own clock was set back."""
    shelf.read()
    shelf.now -= 5.0
    assert shelf.read(fresh) == Cached(body=SKILLS[1], age=0.0, degraded=False)


def test_an_answer_from_the_future_can_stand_in_and_is_shown_as_new(shelf: Shelf) -> None:
    shelf.read()
    shelf.now -= 5.0
    shelf.answers.insert(0, AWAY)
    assert shelf.read() == Cached(body=SKILLS[0], age=0.0, degraded=True)


def test_a_stale_answer_stands_in_for_one_that_can_not_be_had(shelf: Shelf) -> None:
    shelf.read()
    shelf.now += 60.0
    shelf.answers.insert(0, AWAY)
    assert shelf.read() == Cached(body=SKILLS[0], age=60.0, degraded=True)
    assert shelf.read() == Cached(body=SKILLS[1], age=0.0, degraded=False)


def test_without_an_older_answer_the_failure_is_the_answer(shelf: Shelf) -> None:
    shelf.answers.insert(0, AWAY)
    with pytest.raises(UpstreamUnavailableError):
        shelf.read()


def test_a_refusal_is_never_papered_over(shelf: Shelf) -> None:
    shelf.read()
    shelf.now += 60.0
    shelf.answers.insert(0, UpstreamRefusedError("plant", 404, "not-found", "gone"))
    with pytest.raises(UpstreamRefusedError):
        shelf.read()


def test_without_redis_every_answer_is_fetched(shelf: Shelf) -> None:
    shelf.memory.away = True
    assert [shelf.read().body for _ in SKILLS] == SKILLS


def test_a_redis_that_fails_again_and_again_is_left_alone(shelf: Shelf) -> None:
    shelf.memory.away = True
    for _ in range(3):
        shelf.read()
    assert (shelf.breaker.circuit, shelf.memory.calls) == (Circuit.OPEN, 3)


@pytest.mark.parametrize("text", ["<old>", '{"at": 1}', '{"at": 1000, "body": {"id": 7}}', "[]", "7"])
def test_what_another_release_has_written_is_not_used(shelf: Shelf, text: str) -> None:
    shelf.memory.values["cache:skill"] = text
    assert shelf.read().body == SKILLS[0]


def test_an_error_of_the_code_is_not_taken_for_a_lost_redis(shelf: Shelf) -> None:
    def broken(_: Any) -> None:
        raise ZeroDivisionError

    guard = RedisGuard(cast(Redis, shelf.memory), shelf.breaker)
    with pytest.raises(ZeroDivisionError):
        guard.call(broken)
    shelf.memory.away = True
    with pytest.raises(RedisUnavailableError):
        guard.call(lambda redis: redis.get("x"))


@pytest.mark.parametrize(
    ("error", "tries"), [(RedisConnectionError("cut off"), 2), (RedisTimeoutError("silent"), 1)]
)
def test_a_broken_connection_is_replaced_and_a_silent_server_is_given_up(
    error: RedisError, tries: int
) -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise error

    retry = open_redis("redis://cache.test:6379/3", 0.25).get_retry()
    assert retry is not None
    with pytest.raises(type(error)):
        retry.call_with_retry(ask, lambda _: None)
    assert len(asked) == tries


def test_a_client_gives_up_early() -> None:
    redis = open_redis("redis://cache.test:6379/3", 0.25)
    found = redis.connection_pool.connection_kwargs
    assert (found["socket_timeout"], found["socket_connect_timeout"], found["db"]) == (0.25, 0.25, 3)
