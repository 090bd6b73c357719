"""The pool and its limits, against a server that works, is full, or has fallen silent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from gateway import database
from gateway.database import open_engine, ping, transaction
from gateway.errors import DatabaseUnavailableError
from gateway.limits.limiter import KEEP_PLANS, PlanBook
from gateway.limits.plans import Plan
from gateway.settings import Settings

PROMPT = 1.5  # seconds


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """Open a pool of a single connection."""
    engine = open_engine(replace(settings, pool_size=1))
    yield engine
    engine.dispose()


def backend(connection: Connection) -> int:
    """Return the pid of the server's process behind a connection."""
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process: it takes what it is sent, and says nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def silent_backend(engine: Engine) -> Iterator[None]:
    """Stop what is behind the pool's connection."""
    with transaction(engine) as connection:
        pid = backend(connection)
    with stopped(pid):
        yield


def show(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(text(f"SHOW {name}")))


def test_a_server_that_has_fallen_silent_is_given_up_and_its_connection_replaced(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SILENCE", 0.3)
    with silent_backend(engine):
        begun = time.monotonic()
        ping(engine)  # the pool's look at its connection finds it out, and opens another one
        assert 0.3 < time.monotonic() - begun < PROMPT


def test_a_server_that_falls_silent_within_a_transaction_is_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SILENCE", 0.3)

    def ask_twice() -> None:
        with transaction(engine) as connection, stopped(backend(connection)):
            connection.execute(text("SELECT 1"))

    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        ask_twice()
    assert time.monotonic() - begun < PROMPT
    ping(engine)


def test_an_answer_that_takes_its_time_is_waited_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SILENCE", 1.0)
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT 7 FROM pg_sleep(0.5)")) == 7


def test_silence_lasts_longer_than_any_statement_may() -> None:
    (limit,) = [word for word in database.SERVER_OPTIONS.split() if word.startswith("statement_timeout=")]
    assert float(limit.partition("=")[2].removesuffix("s")) < database.SILENCE


def test_who_finds_no_free_connection_waits_for_a_moment_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_TIMEOUT", 0.2)
    engine = open_engine(replace(settings, pool_size=1))
    with engine.connect():
        begun = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            ping(engine)
        assert time.monotonic() - begun < PROMPT
    engine.dispose()


def test_a_commit_is_on_the_disk_whatever_the_server_s_default_is(settings: Settings, scratch: URL) -> None:
    plain = create_engine(scratch, poolclass=NullPool)
    with plain.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{scratch.database}" SET synchronous_commit = off'))
    assert show(plain, "synchronous_commit") == "off"
    engine = open_engine(replace(settings, database_url=scratch))
    assert show(engine, "synchronous_commit") == "on"
    engine.dispose()


def test_a_transaction_that_is_left_open_is_ended_by_the_server(engine: Engine) -> None:
    assert show(engine, "idle_in_transaction_session_timeout") == "30s"


def test_plans_are_read_aside_while_those_known_serve(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SILENCE", 0.5)
    now = 0.0
    default = Plan(per_second=9, burst=9)
    book = PlanBook(engine, default, lambda: now)
    known = book.plan_of("trickle")
    assert known != default
    now = KEEP_PLANS
    with silent_backend(engine):
        begun = time.monotonic()
        assert {book.plan_of("trickle") for _ in range(20)} == {known}
        assert time.monotonic() - begun < 0.3
    with transaction(engine) as connection:
        connection.execute(text("UPDATE plans SET burst = 7 WHERE client = 'trickle'"))
    now = 3 * KEEP_PLANS
    deadline = time.monotonic() + 5
    while book.plan_of("trickle").burst != 7:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_first_requests_wait_for_one_reading_of_the_plans(engine: Engine) -> None:
    book, known, begin = PlanBook(engine, Plan(per_second=9, burst=9)), [], Event()

    def ask() -> None:
        begin.wait()
        known.append(book.plan_of("trickle").burst)

    threads = [Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    begin.set()
    for each in threads:
        each.join()
    assert known == [3] * 8
