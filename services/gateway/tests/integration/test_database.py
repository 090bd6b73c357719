"""The pool and its connections: every wait has an end, and what was committed is on the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from gateway.breaker import FAILURES, OPEN_SECONDS
from gateway.database import ANSWER_TIMEOUT, POOL_TIMEOUT, open_engine, ping, transaction
from gateway.errors import DatabaseUnavailableError
from gateway.settings import Settings

STATEMENT = 4.0  # seconds that the server has for a statement
BUSY = 3.0  # seconds that a busy machine adds


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """Return a pool of one connection: it tells what becomes of it."""
    made = open_engine(replace(settings, pool_size=1))
    yield made
    made.dispose()


@contextmanager
def unavailable_after(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        yield
    assert seconds - 0.1 < time.monotonic() - begun < seconds + BUSY


def backend(engine: Engine) -> int:
    with transaction(engine) as connection:
        found: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return found


def shown(engine: Engine, setting: str) -> str:
    with engine.connect() as connection:
        found: str = connection.execute(text(f"SHOW {setting}")).scalar_one()
    return found


def test_who_finds_no_free_connection_is_told_so_in_time(engine: Engine) -> None:
    with transaction(engine), unavailable_after(POOL_TIMEOUT):
        ping(engine)
    ping(engine)


def test_a_server_that_leaves_a_statement_without_an_answer_is_given_up(engine: Engine) -> None:
    before = backend(engine)
    with unavailable_after(ANSWER_TIMEOUT), transaction(engine) as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_sleep(60)"))
    assert backend(engine) != before


def test_a_statement_has_its_end_before_the_server_is_given_up(engine: Engine) -> None:
    before = backend(engine)
    with unavailable_after(STATEMENT), transaction(engine) as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    assert backend(engine) == before


def test_a_server_that_can_not_be_reached_is_left_alone_for_a_while(settings: Settings) -> None:
    nowhere = settings.database_url.set(host="127.0.0.1", port=1)  # nobody listens there
    deserted = open_engine(replace(settings, database_url=nowhere))

    def left_alone() -> bool:
        with pytest.raises(DatabaseUnavailableError) as caught:
            ping(deserted)
        return "left alone" in str(caught.value.__cause__)

    assert [left_alone() for _ in range(FAILURES + 1)] == [False] * FAILURES + [True]
    time.sleep(OPEN_SECONDS)
    assert not left_alone()
    deserted.dispose()


def test_a_commit_waits_for_the_disk_whatever_the_server_s_default_is(
    scratch: URL, settings: Settings
) -> None:
    usual = create_engine(scratch, poolclass=NullPool)
    with usual.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {scratch.database} SET synchronous_commit = off"))
    own = open_engine(replace(settings, database_url=scratch))
    assert (shown(usual, "synchronous_commit"), shown(own, "synchronous_commit")) == ("off", "on")
    own.dispose()


def test_a_transaction_that_is_left_open_comes_to_an_end(engine: Engine) -> None:
    assert shown(engine, "idle_in_transaction_session_timeout") == "30s"
