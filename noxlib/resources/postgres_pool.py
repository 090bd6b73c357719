"""Fresh databases of a running server, made ahead of demand and dropped off the tests' path.

Nothing is made before the first one is asked for: a session that never asks pays nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from noxlib.errors import ResourceError
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_endpoint import Endpoint
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_reset import Resetter
from noxlib.resources.postgres_roles import RoleGuard

MAKERS = 2  # a third gains nothing: making one is 94 % copying in the kernel
AHEAD = 2  # ready databases beside one for each in use
MOST_AHEAD = 8
MOST = 200  # in use at once
PATIENCE_SECONDS = 20.0  # for a fresh database
LINGER_SECONDS = 0.5  # for clients of a database that is given back; then they are cut off
POLL_SECONDS = 0.005
MAKER_SECONDS = 5.0  # to end what it does
ROOM = 1.5  # a new database is made while this times its template's size is free ...
ROOM_BYTES = 32 * 1024**2  # ... and this, for WAL and for what tests write
UNKNOWN = 2**63  # bytes: enough
NAME_CHARACTERS = 48  # of at most 63


class DatabasePool:
    """The fresh databases of one server."""

    def __init__(self, order: PostgresOrder, server: Endpoint) -> None:
        """Take a server whose template database is there."""
        self._order = order
        self._server = server
        self._changed = threading.Condition()
        self._ready: deque[str] = deque()
        self._garbage: deque[_Garbage] = deque()  # by `due`
        self._used: set[str] = set()
        self.kept: list[str] = []
        self._waiting = 0
        self._making = 0
        self._made = 0
        self._peak = 0
        self._template_bytes = 0  # 0: not prepared yet
        self._preparing = threading.Lock()
        self._roles: RoleGuard | None = None
        self._resetter: Resetter | None = None
        self._failure: ResourceError | None = None
        self._makers: list[threading.Thread] = []
        self._closed = False

    def acquire(self) -> str:
        """Return the name of a database that nobody has used. Raises ResourceError."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            if len(self._used) >= MOST:
                raise ResourceError(
                    f"{self._order.place}: {MOST} databases are in use at once",
                    remedy="release some: a fixture does that by itself when its test ends",
                )
            self._failure = None
            self._waiting += 1
            self._start_makers()
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: self._ready or self._failure or self._closed, deadline - time.monotonic()
                )
                if self._ready:
                    return self._hand_out()
                raise self._failure or ResourceError(
                    f"{self._order.place}: no fresh database within {PATIENCE_SECONDS:g} s"
                )
            finally:
                self._waiting -= 1

    def release(self, name: str, *, keep: bool = False) -> None:
        """Take a database back; `keep` leaves it as it is."""
        with self._changed:
            if name not in self._used:
                return
        if self._roles is not None:
            # Before this client's next request: its next test must not meet a changed role.
            with contextlib.suppress(Exception):  # a server that was killed has other worries
                self._roles.restore()
        with self._changed:
            self._used.remove(name)
            if keep:
                self.kept.append(name)
            else:
                now = time.monotonic()
                self._garbage.append(_Garbage(name, since=now, due=now + POLL_SECONDS))
            self._changed.notify_all()

    def close(self) -> None:
        """Make no more. What there is goes with the server."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drop_unkept(self) -> None:
        """Remove what nobody looks at, before the cluster is packed for the sake of what is kept."""
        self.close()
        for maker in self._makers:
            maker.join(MAKER_SECONDS)  # what it is making belongs to the names
        names = (*self._ready, *self._used, *(each.name for each in self._garbage))
        with postgres_sql.connected(self._server.dsn()) as connection:
            for name in names:
                try:
                    postgres_sql.drop_database(connection, name, force=True)
                except Exception as error:  # noqa: BLE001  what can't go is packed as well
                    self._not_dropped(name, error)

    def _hand_out(self) -> str:
        name = self._ready.popleft()
        self._used.add(name)
        self._peak = max(self._peak, len(self._used))
        self._changed.notify_all()
        return name

    # --- makers -----------------------------------------------------------------------------

    def _start_makers(self) -> None:
        if not self._makers:
            self._makers = [threading.Thread(target=self._work, daemon=True) for _ in range(MAKERS)]
            for maker in self._makers:
                maker.start()

    def _work(self) -> None:
        """Make and drop, over one connection, until the pool is closed."""
        connection: Any = None
        with contextlib.ExitStack() as stack:
            while (job := self._next_job()) is not None:
                try:
                    if connection is not None and not postgres_sql.answers(connection):
                        stack.close()  # the server was started again
                        connection = None
                    if connection is None:
                        connection = stack.enter_context(postgres_sql.connected(self._server.dsn()))
                    if isinstance(job, str):
                        self._make(connection, job)
                    else:
                        self._drop(connection, job)
                except Exception as error:  # noqa: BLE001  said to whoever waits
                    stack.close()
                    connection = None
                    self._failed(job, error)

    def _next_job(self) -> str | _Garbage | None:
        """Wait for something to do: a name to make, or what to drop. None: closed."""
        with self._changed:
            while not self._closed:
                due = bool(self._garbage) and time.monotonic() >= self._garbage[0].due
                if self._wants_more() and (self._waiting > len(self._ready) or not due):
                    self._making += 1
                    return self._new_name()
                if due:
                    return self._garbage.popleft()
                self._changed.wait(POLL_SECONDS if self._garbage else None)
            return None

    def _new_name(self) -> str:
        self._made += 1
        return f"{self._order.settings.database[:NAME_CHARACTERS]}_{self._made}"

    def _wants_more(self) -> bool:
        coming = len(self._ready) + self._making
        ahead = 0 if self._failure else min(AHEAD + self._peak, MOST_AHEAD)
        return coming < max(self._waiting, ahead)

    def _make(self, connection: Any, name: str) -> None:
        self._check_room(connection)
        postgres_sql.clone_database(
            connection,
            self._server.template,
            name,
            self._order.settings.role,
            durable=self._server.durable,
        )
        if self._order.settings.isolation == "reset":
            self._learned(name).made(connection, name)
        with self._changed:
            self._making -= 1
            self._ready.append(name)
            self._changed.notify_all()

    def _learned(self, name: str) -> Resetter:
        """Return what has once seen how a fresh database looks."""
        with self._preparing:
            if self._resetter is None:
                resetter = Resetter(self._order.settings.role, self._order.place)
                with postgres_sql.connected(self._server.dsn(database=name)) as connection:
                    resetter.learn(connection)
                self._resetter = resetter
            return self._resetter

    def _check_room(self, connection: Any) -> None:
        """Refuse what would fill the disk: a server without room for its WAL ends, with every database."""
        with self._preparing:
            if not self._template_bytes:
                size = postgres_sql.database_bytes(connection, self._server.template)
                postgres_sql.warm(self._server.dsn(database=self._server.template), connection)
                if self._server.guards_roles:
                    self._roles = RoleGuard(self._server.dsn(), self._order.settings.role)
                self._template_bytes = size
        free, place = self._server.room() or (UNKNOWN, "")
        if free < self._template_bytes * ROOM + ROOM_BYTES:
            raise ResourceError(
                f"{self._order.place}: no room for another database of {self._template_bytes // 1024**2} MB: "
                f"{free // 1024**2} MB are free in {place}, "
                f"{len(self._used)} databases are in use and {len(self.kept)} are kept",
                remedy="free some, use fewer workers, or set TMPDIR to a folder on a disk with room",
            )

    def _drop(self, connection: Any, garbage: _Garbage) -> None:
        clients = postgres_sql.clients(connection, garbage.name)
        now = time.monotonic()
        if clients and now - garbage.since < LINGER_SECONDS:
            with self._changed:
                self._garbage.append(replace(garbage, due=now + POLL_SECONDS))
            return
        name = garbage.name
        if not clients and self._resetter is not None:
            name, as_new = self._reset(connection, self._resetter, name)
            if as_new:
                with self._changed:
                    self._ready.append(name)
                    self._changed.notify_all()
                return
        postgres_sql.drop_database(connection, name, force=True)

    def _reset(self, connection: Any, resetter: Resetter, old: str) -> tuple[str, bool]:
        """Bring a used database back, if it can be; return its name and whether it is as new.

        Under a new name: a client of old that connects again is told that its database is gone.
        """
        with self._changed:
            name = self._new_name()
        try:
            postgres_sql.rename_database(connection, old, name)
        except Exception:  # noqa: BLE001  a client has come again, or its test has dropped it
            resetter.forget(old)
            return old, False
        resetter.rename(old, name)
        as_new = False
        with contextlib.suppress(Exception), postgres_sql.connected(self._server.dsn(database=name)) as there:
            as_new = resetter.reset(there, name)
        if not as_new:
            resetter.forget(name)
        return name, as_new

    def _failed(self, job: str | _Garbage, error: Exception) -> None:
        with self._changed:
            if self._closed:
                return
            if isinstance(job, _Garbage):
                self._not_dropped(job.name, error)
                return
            self._making -= 1
            self._failure = (
                error
                if isinstance(error, ResourceError)
                else ResourceError(f"{self._order.place}: no fresh database: {postgres_sql.said(error)}")
            )
            self._changed.notify_all()

    def _not_dropped(self, name: str, error: Exception) -> None:
        # A prepared transaction, a replication slot: it stays until the server goes.
        self._order.event("postgres.drop_failed", database=name, error=postgres_sql.said(error))


@dataclass(frozen=True, slots=True)
class _Garbage:
    """A database that was given back; `time.monotonic()` since when, and when to look at it."""

    name: str
    since: float
    due: float
