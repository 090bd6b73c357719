"""The asynchronous way to the database: a limited pool, and sessions whose troubles have one name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from asyncpg import PostgresError
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from plant.audit import recording
from plant.caller import Caller
from plant.errors import DatabaseUnavailableError
from plant.pool_metrics import PoolFigures, PoolMetrics
from plant.settings import Settings

SNAPSHOT = "REPEATABLE READ"
AGAIN = "Try again in a moment: nothing is created twice."
# SQLSTATE classes and codes of what passes by itself: the connection, resources, an operator's
# intervention (restart, time limit), a transaction that had to give way to another one.
PASSING_CLASSES = ("08", "53", "57")
PASSING_CODES = ("40001", "40P01", "55P03", "25P03", "25P04")

# SQLAlchemy wraps what a statement meets, and leaves what a new connection meets as asyncpg raised it:
# a server that recovers from a crash refuses with a PostgresError.
TROUBLES = (DBAPIError, PostgresError, PoolTimeoutError, OSError, asyncio.TimeoutError)


class AuditedSession(Session):
    """A session whose changes are recorded in the audit trail."""


recording.install(AuditedSession)


def open_engine(settings: Settings) -> AsyncEngine:
    """Return an engine that has opened no connection yet.

    `pool_pre_ping` costs a round trip and spares the clients one 503 for each pooled connection after
    the database was restarted. `hide_parameters` keeps contents out of tracebacks. An acknowledged
    change must survive the server's death, whatever its default is: hence synchronous_commit.
    """
    limits = settings.limits
    return create_async_engine(
        settings.database_url,
        pool_size=limits.size,
        max_overflow=limits.overflow,
        pool_timeout=limits.acquire,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": limits.connect,
            "command_timeout": limits.answer,
            "server_settings": {
                "application_name": "plant",
                "synchronous_commit": "on",
                "lock_timeout": "5s",
                "statement_timeout": f"{limits.statement * 1000:.0f}",
                "idle_in_transaction_session_timeout": "10s",
            },
        },
    )


class Connector:
    """One process's connections. Make it once, close it at the end."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; no connection is opened before the first session."""
        self.engine = open_engine(settings)
        self._metrics = PoolMetrics(self._pool)
        self._sessions = async_sessionmaker(
            self.engine, sync_session_class=AuditedSession, expire_on_commit=False
        )

    @asynccontextmanager
    async def session(
        self, caller: Caller, *, isolation: str | None = None, read_only: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """Open a transaction for a caller: committed when the block ends, rolled back when it fails.

        Raises DatabaseUnavailableError when no connection comes in time, or the server is away, ends
        the connection, runs into a time limit, or makes this transaction give way to another one.
        """
        with_isolation = {} if isolation is None else {"isolation_level": isolation}
        try:
            async with self._sessions(info={recording.ACTOR: caller.actor}) as session, session.begin():
                await self._acquire(session, with_isolation)
                if read_only:
                    await session.execute(text("SET TRANSACTION READ ONLY"))
                await session.execute(select(func.set_config("plant.tenant", caller.tenant, True)))
                yield session
        except TROUBLES as error:
            if passes(error):
                raise DatabaseUnavailableError(AGAIN) from error
            raise

    async def ping(self) -> None:
        """Ask the database for an answer; raises DatabaseUnavailableError."""
        async with self.session(Caller(), read_only=True) as session:
            await session.execute(text("SELECT 1"))

    def metrics(self) -> PoolFigures:
        """Return what the pool has done, and how it stands."""
        return self._metrics.figures(self._pool)

    async def close(self) -> None:
        """Close every idle connection; those in use are closed when they come back."""
        await self.engine.dispose()

    @property
    def _pool(self) -> QueuePool:
        return cast(QueuePool, self.engine.pool)

    async def _acquire(self, session: AsyncSession, options: dict[str, str]) -> None:
        begun = time.perf_counter()
        try:
            await session.connection(execution_options=options)
        except PoolTimeoutError:
            self._metrics.timed_out()
            raise
        finally:
            self._metrics.waited(time.perf_counter() - begun)


def passes(error: BaseException) -> bool:
    """Tell whether the fault lies in the moment, not in the statement."""
    if isinstance(error, DBAPIError):
        lost, state = error.connection_invalidated, getattr(error.orig, "sqlstate", None) or ""
    elif isinstance(error, PostgresError):
        lost, state = False, error.sqlstate or ""
    else:
        return True  # a socket, or a time limit of this process
    return lost or state[:2] in PASSING_CLASSES or state in PASSING_CODES
