"""The connection pool, and transactions whose loss of connection has one name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.breaker import Breaker
from gateway.errors import DatabaseUnavailableError
from gateway.settings import Settings

# Who meets a silent server waits for a connection, for its sign of life, and for a new one: their sum.
POOL_TIMEOUT = 1.0  # seconds that a request waits for a free connection, and holds a thread
ANSWER_TIMEOUT = 5.0  # seconds until a silent server is given up: more than it has for a statement
CONNECT_TIMEOUT = 3  # seconds until an unreachable server is given up
AGAIN = "Try again in a moment, with the same idempotency key."
# A hire that was accepted must survive the server's death, whatever the server's default is: hence
# synchronous_commit. A worker's transaction is idle while cs1 and plant are asked: hence 30 seconds.
SERVER_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=2s -c statement_timeout=4s "
    "-c idle_in_transaction_session_timeout=30s"
)


class PunctualConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed when the server leaves a command without an answer.

    The server's own time limits are no help when it is stopped or cut off, nor are TCP's: the kernel
    of a stopped server goes on to acknowledge what it is sent.
    """

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = ANSWER_TIMEOUT) -> RV:
        """Run a command to its end, as psycopg does for all of them; raises psycopg.OperationalError."""
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.info.transaction_status is TransactionStatus.ACTIVE:
                self.close()  # its answer would be taken for the next command's
            raise


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
    breaker = Breaker()

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> PunctualConnection:
        return _connect(breaker, options)

    return engine


def _connect(breaker: Breaker, options: dict[str, Any]) -> PunctualConnection:
    """Connect, unless that has just failed again and again.

    Otherwise requests that wait for a silent server would hold all threads, and reads would get none.
    """
    if breaker.wait() > 0:
        raise psycopg.OperationalError("left alone, since it can't be reached")
    try:
        connection = PunctualConnection.connect(**options)
    except psycopg.OperationalError:
        breaker.failed()
        raise
    breaker.succeeded()
    return connection


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
