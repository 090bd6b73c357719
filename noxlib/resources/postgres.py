"""PostgreSQL as a resource: boot a clone of the migrated template, hand out leases, suffer faults."""

from __future__ import annotations

import shutil
import signal
import time

from noxlib.errors import ResourceError
from noxlib.model import Lease
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_boot import boot, boot_clone
from noxlib.resources.postgres_lease import chosen_access, lease, set_password
from noxlib.resources.postgres_migrated import migrated_template
from noxlib.resources.postgres_order import PostgresOrder, refuse_proxy
from noxlib.resources.postgres_pool import DatabasePool
from noxlib.resources.postgres_server import Server
from noxlib.resources.postgres_template import pack_template
from noxlib.resources.postgres_user import server_credentials

__all__ = ["PostgresOrder", "PostgresResource", "server_credentials"]

ROOM_BYTES = 64 * 1024**2  # a fresh cluster is 24 MB, its WAL may grow to 16 MB
# What noxlib decides: a value in services.toml would be ignored without a word.
OURS = {
    "port": "use the key `port` beside `settings`",
    "listen_addresses": "leave it out: the server listens on 127.0.0.1 and a private Unix socket",
    "unix_socket_directories": "leave it out: {socket_folder} in `env` tells where the socket is",
    "data_directory": "leave it out",
    "hba_file": "use the key `auth` beside `settings`",
}


class PostgresResource:
    """A session's own PostgreSQL server."""

    def __init__(self, order: PostgresOrder) -> None:
        """Take the order; nothing is started yet."""
        self._order = order
        self._server: Server | None = None
        self._pool: DatabasePool | None = None
        self.name = order.name
        self._access = chosen_access(order)

    @property
    def pid(self) -> int | None:
        """The server's pid while it runs."""
        return self._server.server_pid if self._server and self._server.is_alive() else None

    def alive(self) -> bool:
        """Tell whether the server's first process runs."""
        return self.pid is not None

    def death(self, when: str) -> str:
        """Say how the server ended by itself; "" while it runs, or when it was killed on request."""
        return self._server.death(f"{self.name}: PostgreSQL", when) if self._server else ""

    def start(self) -> Lease:
        """Start the server, migrated and seeded; return the lease. Raises ResourceError."""
        self._refuse()
        self._check_room()
        order, access = self._order, self._access
        server = self._server = (
            boot_clone(order, access.auth, order.opened)
            if order.opened
            else boot(order, access.auth, lambda: migrated_template(order, access))
        )
        order.event("postgres.started", resource=self.name, pid=server.server_pid)
        try:
            set_password(order, server, access)
            handed = lease(order, server, access)
        except BaseException:
            self.stop()
            raise
        order.event("postgres.ready", resource=self.name)
        self._pool = DatabasePool(order, server)
        return handed

    def acquire(self) -> Lease:
        """Hand out a fresh database of the running server. Raises ResourceError."""
        server = self._started()
        assert self._pool is not None  # noqa: S101  it lives as long as the server
        return lease(self._order, server, self._access, self._pool.acquire())

    def release(self, database: str, *, failed: bool = False) -> None:
        """Take a database back: it is dropped when its last client has gone, or kept if its test failed."""
        if self._pool is not None:
            self._pool.release(database, keep=failed and self._order.settings.keep == "failed")

    def stop(self) -> None:
        """End the server at once; its data is thrown away."""
        if self._server is not None:
            server, self._server = self._server, None
            pool, self._pool = self._pool, None
            try:
                if pool is not None:
                    pool.close()
                    self._keep(server, pool)
            finally:
                server.stop()
            self._order.event("postgres.stopped", resource=self.name)

    def _keep(self, server: Server, pool: DatabasePool) -> None:
        """Pack the cluster with the databases of failed tests: `nox -s db-<service>` opens it."""
        if pool.kept and server.is_alive():
            pool.drop_unkept()
            server.terminate(signal.SIGINT)
            self._order.kept.parent.mkdir(parents=True, exist_ok=True)
            pack_template(server.data, self._order.kept)
            self._order.event("postgres.kept", resource=self.name, databases=pool.kept)

    def kill(self) -> None:
        """SIGKILL the server and its backends. `restart` recovers its data."""
        self._started().terminate(signal.SIGKILL)
        self._order.event("postgres.killed", resource=self.name)

    def restart(self) -> None:
        """Start the server on the same data and port, after an orderly stop if it runs."""
        server = self._started()
        server.terminate(signal.SIGINT)
        server.start()
        self._order.event("postgres.restarted", resource=self.name, pid=self.pid)

    def pause(self) -> None:
        """SIGSTOP the server and its backends: connections stay open, nothing answers."""
        self._started().pause()
        self._order.event("postgres.paused", resource=self.name)

    def resume(self) -> None:
        """SIGCONT the server and its backends."""
        self._started().resume()
        self._order.event("postgres.resumed", resource=self.name)

    def wait_healthy(self, timeout: float) -> None:
        """Wait until the server answers a query, at most `timeout` seconds."""
        server = self._started()
        deadline = time.monotonic() + timeout
        while True:
            try:
                with postgres_sql.connected(server.dsn(), timeout) as connection:
                    connection.run("SELECT 1")
            except Exception as error:
                # pg8000 raises several families here; each means "not yet" until the deadline.
                if time.monotonic() > deadline:
                    message = f"{self.name} didn't answer within {timeout:g} s: {error}"
                    raise ResourceError(message) from error
                time.sleep(0.05)
            else:
                return

    def _started(self) -> Server:
        if self._server is None:
            raise ResourceError(f"{self.name} isn't started, or was stopped and its data removed")
        return self._server

    def _refuse(self) -> None:
        settings, place = self._order.settings, self._order.place
        refuse_proxy(self._order)
        for key, remedy in OURS.items():
            if key in settings.settings:
                raise ResourceError(f"{place}.settings.{key}: noxlib sets it itself", remedy=remedy)

    def _check_room(self) -> None:
        """Refuse a disk that a new cluster would fill: initdb would only say that it was aborted."""
        free = shutil.disk_usage(self._order.folder).free
        if free < ROOM_BYTES:
            raise ResourceError(
                f"{self._order.place}: no room for a server in {self._order.folder}: "
                f"{free // 1024**2} MB are free, and it needs {ROOM_BYTES // 1024**2}",
                remedy="free some, or set TMPDIR to a folder on a disk with room",
            )
