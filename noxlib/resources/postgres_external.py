"""PostgreSQL on a server that isn't ours: databases of the session's own, made there and dropped at the end.

The other provider of what postgres.py provides; docs/how-to/external-postgres.md says what a third one
would have to do.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from noxlib.dsn import ExternalServer
from noxlib.errors import ResourceError
from noxlib.model import Lease
from noxlib.resources import external_databases, postgres_sql
from noxlib.resources.external_broker import Channel
from noxlib.resources.external_gateway import Gateway
from noxlib.resources.postgres_lease import SCRAM_ITERATIONS, Access, lease
from noxlib.resources.postgres_order import PostgresOrder, refuse_proxy
from noxlib.resources.postgres_pool import DatabasePool
from noxlib.resources.postgres_provision import provision
from noxlib.resources.postgres_server import SUPERUSER


class ExternalEndpoint:
    """The external server as the box sees it."""

    durable = True

    def __init__(self, server: ExternalServer, gateway: Gateway, access: Access) -> None:
        """Take what listens in the box, and how the session's role gets in."""
        self._server = server
        self._gateway = gateway
        self._access = access
        self.socket_folder = gateway.folder
        self.template = external_databases.template_name(server.prefix)
        self.guards_roles = server.superuser

    @property
    def port(self) -> int:
        """The port on 127.0.0.1, inside the box."""
        return self._gateway.port

    def dsn(self, **kwargs: Any) -> dict[str, Any]:
        """Return what noxlib itself connects by: as the variable's user, unless another is named."""
        server = self._server
        path = str(self.socket_folder / f".s.PGSQL.{self.port}")
        own = kwargs.get("user", server.user) == server.user
        password = server.password if own else self._access.password
        found = {"user": server.user, "database": server.database, "password": password}
        return {"unix_sock": path, "application_name": server.prefix, **found, **kwargs}

    def room(self) -> None:
        """Nobody can know from here."""


class ExternalPostgres:
    """A session's databases on an external server."""

    pid = None

    def __init__(self, order: PostgresOrder, server: ExternalServer) -> None:
        """Take the order; nothing is made yet."""
        self.name = order.name
        self._server = server
        # A role of its own keeps the variable's password out of the box's environment.
        role = server.prefix if server.superuser else server.user
        password = secrets.token_urlsafe(24) if server.superuser else server.password
        # As with trust, where the password is a word that can't be struck out of every log.
        told = not server.superuser and password not in server.secrets
        self._access = Access(auth="trust" if told else "password", password=password)
        self._as_superuser = order.settings.role == SUPERUSER
        settings = replace(
            order.settings,
            database=external_databases.database_name(server.prefix, order.settings.database),
            role=role,
            isolation="clone",
            keep="never",
        )
        self._order = replace(
            order, settings=settings, environment={**order.environment, "PGPASSWORD": password}
        )
        self._channel: Channel | None = None
        self._gateway: Gateway | None = None
        self._endpoint: ExternalEndpoint | None = None
        self._pool: DatabasePool | None = None

    def start(self) -> Lease:
        """Make the session's database, migrated and seeded; return its lease. Raises ResourceError."""
        order = self._order
        refuse_proxy(order)
        folder = Path(tempfile.mkdtemp(prefix="pg", dir=order.folder))
        self._channel = Channel(self._server.channel)
        self._gateway = Gateway(folder, self._channel.connect)
        self._gateway.listen(self._port, order.place)
        endpoint = self._endpoint = ExternalEndpoint(self._server, self._gateway, self._access)
        with self._words():
            self._make(endpoint)
            handed = lease(order, endpoint, self._access)
            provision(order, endpoint, handed)
            with postgres_sql.connected(endpoint.dsn()) as connection:
                database, role = order.settings.database, order.settings.role
                postgres_sql.clone_database(connection, database, endpoint.template, role, durable=True)
        order.event("postgres.ready", resource=self.name, database=order.settings.database)
        self._pool = DatabasePool(order, endpoint)
        return handed

    def acquire(self) -> Lease:
        """Hand out a fresh database. Raises ResourceError."""
        if self._pool is None or self._endpoint is None:
            raise ResourceError(f"{self.name} isn't started, or was stopped")
        return lease(self._order, self._endpoint, self._access, self._pool.acquire())

    def release(self, database: str, *, failed: bool = False) -> None:  # noqa: ARG002  nothing is kept there
        """Take a database back: it is dropped when its last client has gone."""
        if self._pool is not None:
            self._pool.release(database)

    def stop(self) -> None:
        """Close the way to the server: the broker drops what was made there."""
        pool, self._pool = self._pool, None
        gateway, self._gateway = self._gateway, None
        channel, self._channel = self._channel, None
        if pool is not None:
            pool.close()
        if gateway is not None:
            gateway.close()
        if channel is not None:
            channel.close()
            self._order.event("postgres.stopped", resource=self.name)

    def death(self, when: str) -> str:  # noqa: ARG002  it isn't ours to watch
        """Return "": whoever started the server looks after it."""
        return ""

    def kill(self) -> None:
        """Refuse, as every fault: others may use the server."""
        self._refuse("killed")

    def restart(self) -> None:
        """Refuse."""
        self._refuse("restarted")

    def pause(self) -> None:
        """Refuse."""
        self._refuse("paused")

    def resume(self) -> None:
        """Refuse."""
        self._refuse("resumed")

    def wait_healthy(self, timeout: float) -> None:
        """Wait until the server answers a query, at most `timeout` seconds. Raises ResourceError."""
        if self._endpoint is None:
            raise ResourceError(f"{self.name} isn't started, or was stopped")
        deadline = time.monotonic() + timeout
        while True:
            try:
                with postgres_sql.connected(self._endpoint.dsn(), timeout) as connection:
                    connection.run("SELECT 1")
            except Exception as error:
                if time.monotonic() > deadline:
                    said = postgres_sql.said(error)
                    raise ResourceError(f"{self.name} didn't answer within {timeout:g} s: {said}") from error
                time.sleep(0.05)
            else:
                return

    def _refuse(self, what: str) -> None:
        raise ResourceError(
            f"{self.name} is an external server, which can't be {what}: others may use it",
            remedy="unset the variable that names it: noxlib starts a server of its own then",
        )

    def _port(self) -> int:
        order = self._order
        fixed = order.port if order.private_network else order.settings.port
        return fixed or order.reserve()

    @contextlib.contextmanager
    def _words(self) -> Iterator[None]:
        """Turn what the driver and the network raise into one message."""
        try:
            yield
        except ResourceError:
            raise
        except Exception as error:
            import pg8000.native  # noqa: PLC0415  with the first connection

            if not isinstance(error, (pg8000.native.Error, OSError)):
                raise
            server, said = self._server, postgres_sql.said(error)
            raise ResourceError(
                f"{self._order.place}.external: the server {server.host}:{server.port} says: {said}"
            ) from error

    def _make(self, endpoint: ExternalEndpoint) -> None:
        settings, place = self._order.settings, self._order.place
        database, role = postgres_sql.quoted(settings.database), postgres_sql.quoted(settings.role)
        with postgres_sql.connected(endpoint.dsn()) as connection:
            if self._server.superuser:
                kept = postgres_sql.verifier(self._access.password, SCRAM_ITERATIONS)
                rights = "SUPERUSER" if self._as_superuser else "NOSUPERUSER"
                connection.run(f"CREATE ROLE {role} LOGIN {rights} PASSWORD '{kept}'")
            locale = settings.locale.replace("'", "''")
            # A cluster of ICU's would lay its own collation over that.
            provider = " LOCALE_PROVIDER libc" if postgres_sql.server_version(connection) >= (15,) else ""
            postgres_sql.execute(
                connection,
                f"CREATE DATABASE {database} OWNER {role} TEMPLATE template0 ENCODING 'UTF8'"
                f" LC_COLLATE '{locale}' LC_CTYPE '{locale}'{provider}",
                f"{place}.locale",
            )
            run = Path(self._order.log).parent.parent.name
            connection.run(f"COMMENT ON DATABASE {database} IS 'noxlib: {self.name}, run {run}'")
            for key, value in settings.settings.items():
                self._set(connection, key, value)
        with postgres_sql.connected(endpoint.dsn(database=settings.database)) as connection:
            postgres_sql.furnish(connection, settings, place)

    def _set(self, connection: Any, key: str, value: str) -> None:
        """Give the database a setting; one of the whole server must have that value already."""
        try:
            postgres_sql.set_for_database(connection, self._order.settings.database, key, value)
        except Exception as error:
            rows = connection.run(
                "SELECT setting, current_setting(name) FROM pg_settings WHERE name = lower(:k)", k=key
            )
            if rows and value.lower() in {each.lower() for each in rows[0]}:
                return
            has = f"has {rows[0][1]}" if rows else "doesn't know it"
            raise ResourceError(
                f'{self._order.place}.settings.{key}: the external server {has}, not "{value}", '
                f"and says: {postgres_sql.said(error)}",
                remedy=f"start that server with -c {key}={value}",
            ) from error
