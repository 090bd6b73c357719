"""The connection pool, and transactions whose loss of connection has one name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.errors import DatabaseUnavailableError
from gateway.settings import Settings

CONNECT_TIMEOUT = 3  # seconds until an unreachable server is given up
POOL_TIMEOUT = 5.0  # seconds that a request waits for a free connection
AGAIN = "Try again in a moment, with the same idempotency key."
# A hire that was accepted must survive the server's death, whatever the server's default is: hence
# synchronous_commit. A worker's transaction is idle while cs1 and plant are asked: hence 30 seconds.
SERVER_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=5s -c statement_timeout=10s "
    "-c idle_in_transaction_session_timeout=30s"
)


def open_engine(settings: Settings) -> Engine:
    """Return a pool that has opened no connection yet.

    `pool_pre_ping` costs a round trip and spares the clients one 503 for each pooled connection
    after the database was restarted. `hide_parameters` keeps keys out of tracebacks.
    """
    return create_engine(
        settings.database_url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "options": SERVER_OPTIONS},
    )


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
