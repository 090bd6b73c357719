"""A database that is away, slow or comes back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from select import select

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError
from starlette.testclient import TestClient

from cs1.api import create_app
from cs1.database import open_engine, transaction
from cs1.errors import DatabaseUnavailableError
from cs1.settings import Settings
from ledger_client import LedgerClient


@pytest.fixture
def deserted(settings: Settings) -> Iterator[Settings]:
    """Settings that lead to a port where nobody answers: it is bound, and doesn't listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = settings.database_url.set(host="127.0.0.1", port=taken.getsockname()[1], query={})
        yield replace(settings, database_url=url)


def test_health_asks_the_database(http: TestClient) -> None:
    answer = http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_without_a_database_the_service_says_when_to_come_back(deserted: Settings) -> None:
    with TestClient(create_app(deserted)) as client:
        answer = client.get("/health")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "urn:cs1:problem:database-unavailable"


def test_a_connection_that_was_ended_is_replaced_unseen(settings: Settings, engine: Engine) -> None:
    own = open_engine(settings)
    with own.connect() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
    with transaction(own) as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != backend
    own.dispose()


def test_a_connection_that_ends_within_a_transaction_is_unavailability(engine: Engine) -> None:
    with pytest.raises(DatabaseUnavailableError), transaction(engine) as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_a_server_that_ends_an_idle_transaction_is_unavailability(engine: Engine) -> None:
    with pytest.raises(DatabaseUnavailableError):
        sit_idle_until_the_server_hangs_up(engine)


def sit_idle_until_the_server_hangs_up(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        driver = connection.connection.driver_connection
        assert driver is not None
        readable, _, _ = select([driver.fileno()], [], [], 10)
        assert readable, "the server kept the connection"
        connection.execute(text("SELECT 1"))


def test_a_lock_held_for_too_long_is_unavailability(engine: Engine, ledger: LedgerClient) -> None:
    account = ledger.open()
    with engine.begin() as holder:
        lock(holder, account)
        with pytest.raises(DatabaseUnavailableError):
            lock_in_a_hurry(engine, account)


def lock(connection: Connection, account: str) -> None:
    connection.execute(text("SELECT FROM accounts WHERE id = :id FOR UPDATE"), {"id": account})


def lock_in_a_hurry(engine: Engine, account: str) -> None:
    with transaction(engine) as connection:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        lock(connection, account)


def test_a_pool_without_a_free_connection_is_unavailability(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cs1.database.POOL_TIMEOUT", 0.05)
    own = open_engine(replace(settings, pool_size=1))
    with own.connect(), pytest.raises(DatabaseUnavailableError), transaction(own):
        pass
    own.dispose()


def test_a_wrong_statement_is_no_unavailability(engine: Engine) -> None:
    with pytest.raises(ProgrammingError), transaction(engine) as connection:
        connection.execute(text("SELECT nonsense"))
