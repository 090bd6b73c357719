"""The connection pool, and transactions whose loss of connection has one name."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.errors import DatabaseUnavailableError
from gateway.settings import Settings

CONNECT_TIMEOUT = 3  # seconds until an unreachable server is given up
POOL_TIMEOUT = 5.0  # seconds that a request waits for a free connection
SILENCE = 12.0  # seconds without a byte of an answer; more than any statement may take
AGAIN = "Try again in a moment, with the same idempotency key."
# A hire that was accepted must survive the server's death, whatever the server's default is: hence
# synchronous_commit. A worker's transaction is idle while cs1 and plant are asked: hence 30 seconds.
SERVER_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=5s -c statement_timeout=10s "
    "-c idle_in_transaction_session_timeout=30s"
)


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that gives up a server which has fallen silent.

    The server's own time limits end what it works on. One that is stopped, or behind a network that
    swallows everything, keeps none, and libpq would wait for ever.
    """

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Wait for an answer as psycopg does, but not for ever; raises OperationalError."""
        try:
            return super().wait(_impatient(gen), *args, **kwargs)
        except SilentServerError:
            self.close()  # what is unanswered makes it useless
            raise


class SilentServerError(psycopg.OperationalError):
    """No byte came for too long."""


def _impatient(gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Pass on what psycopg's waiting and its protocol tell each other, and look at the time.

    The waiting reports every tenth of a second, with 0 while nothing has come.
    """
    heard = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE:
                raise SilentServerError(f"the server has been silent for {SILENCE:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


def open_engine(settings: Settings) -> Engine:
    """Return a pool that has opened no connection yet.

    `pool_pre_ping` costs a round trip and spares the clients one 503 for each pooled connection
    after the database was restarted. `hide_parameters` keeps keys out of tracebacks.
    """
    engine = create_engine(
        settings.database_url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "options": SERVER_OPTIONS},
    )
    event.listen(engine, "do_connect", _connect)
    return engine


def _connect(_dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]) -> ImpatientConnection:
    return ImpatientConnection.connect(*args, **options)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Commit what the block did, or roll all of it back.

    Raises DatabaseUnavailableError when the server is away, ends the connection, is out of
    connections or lets a lock or a statement run into its time limit: all of them pass by themselves.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, PoolTimeoutError) as error:
        if _passes(error):
            raise DatabaseUnavailableError(AGAIN) from error
        raise


def _passes(error: DBAPIError | PoolTimeoutError) -> bool:
    """Tell whether the fault lies in the moment, not in the statement."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError))


def ping(engine: Engine) -> None:
    """Ask the database for an answer; raises DatabaseUnavailableError."""
    with transaction(engine) as connection:
        connection.execute(text("SELECT 1"))
