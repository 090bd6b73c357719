"""PostgreSQL as a resource: clone a template, boot, migrate, seed, hand out the lease."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from noxlib.errors import NotAvailableYetError, NoxlibError, ResourceError
from noxlib.model import Address, Lease
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_archive import BrokenArchiveError
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_provision import provision
from noxlib.resources.postgres_server import BootError, PortTakenError, Server, ServerOrder
from noxlib.resources.postgres_template import TemplateOrder, discard, template
from noxlib.resources.postgres_user import server_credentials
from noxlib.templates import fill

__all__ = ["PostgresOrder", "PostgresResource", "server_credentials"]

PORT_TRIES = 10
ROOM_BYTES = 64 * 1024**2  # a fresh cluster is 24 MB, its WAL may grow to 16 MB
LIBPQ = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
SCRAM_ITERATIONS = 4096  # the least that RFC 7677 allows; some clients insist
AUTH = ("auto", "trust", "password", "scram-sha-256")
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
        self.name = order.name
        self._auth = self._chosen_auth()
        self._password = "postgres" if self._auth == "trust" else secrets.token_urlsafe(24)

    @property
    def pid(self) -> int | None:
        """The server's pid while it runs."""
        return self._server.server_pid if self._server and self._server.is_alive() else None

    def alive(self) -> bool:
        """Tell whether the server's first process runs."""
        return self.pid is not None

    def start(self) -> Lease:
        """Start, migrate and seed; return the lease. Raises ResourceError."""
        self._refuse()
        self._check_room()
        server = self._server = self._boot()
        self._order.event("postgres.started", resource=self.name, pid=server.server_pid)
        try:
            if self._auth != "trust":
                self._set_password(server)
            lease = self._lease(server)
            provision(self._order, server, lease)
        except BaseException:
            self.stop()
            raise
        self._order.event("postgres.ready", resource=self.name)
        return lease

    def stop(self) -> None:
        """End the server at once; its data is thrown away."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop()
            self._order.event("postgres.stopped", resource=self.name)

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

    # --- starting ---------------------------------------------------------------------------

    def _chosen_auth(self) -> str:
        """Return how TCP connections prove themselves; on a private network nobody else is there.

        A password is sent in clear over loopback: scram costs 4,096 hashes for each connection.
        """
        chosen = self._order.settings.auth
        if chosen not in AUTH:
            raise ResourceError(f'{self._order.place}.auth: unknown "{chosen}". One of: {", ".join(AUTH)}')
        if chosen != "auto":
            return chosen
        return "trust" if self._order.private_network else "password"

    def _refuse(self) -> None:
        settings, place = self._order.settings, self._order.place
        later = {"via": "direct", "isolation": "clone", "keep": "never"}
        for key, built in later.items():
            if getattr(settings, key) != built:
                raise NotAvailableYetError(
                    f'{place}.{key} = "{getattr(settings, key)}" is not available yet',
                    remedy=f'use "{built}"',
                )
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

    def _boot(self) -> Server:
        order = self._order
        wanted = TemplateOrder(
            place=order.place,
            settings=order.settings,
            binaries=order.binaries,
            cache=order.cache,
            folder=order.folder,
            credentials=order.credentials,
            log=order.log,
        )
        archive = template(wanted, order.event)
        found = archive.stat()
        try:
            return self._boot_clone(archive)
        except (BrokenArchiveError, BootError):
            # A disk that was full, a hand in the cache: build it once more.
            discard(archive, found)
            order.event("postgres.template.broken", key=archive.stem)
            return self._boot_clone(template(wanted, order.event))

    def _boot_clone(self, archive: Path) -> Server:
        for port in self._ports():
            server = self._new_server(archive, port)
            try:
                server.setup()
                server.start()
            except PortTakenError as error:
                server.stop()
                taken: NoxlibError = error
            except BaseException:
                server.stop()
                raise
            else:
                return server
        raise ResourceError(
            f"{self._order.place}: port {port} is taken\n{taken.message}",
            remedy="end what listens there, or leave `port` out so that a free one is chosen",
        ) from taken

    def _ports(self) -> Iterator[int]:
        fixed = self._order.port if self._order.private_network else self._order.settings.port
        if fixed:
            yield fixed
            return
        for _ in range(PORT_TRIES):
            yield self._order.reserve()

    def _new_server(self, archive: Path, port: int) -> Server:
        return Server(
            ServerOrder(
                binaries=self._order.binaries,
                folder=Path(tempfile.mkdtemp(prefix="pg", dir=self._order.folder)),
                log=self._order.log,
                template=archive,
                settings=self._order.settings.settings,
                credentials=self._order.credentials,
                host="127.0.0.1",
                port=port,
                auth=self._auth,
            )
        )

    def _set_password(self, server: Server) -> None:
        iterations = SCRAM_ITERATIONS if self._auth == "scram-sha-256" else 1
        kept = postgres_sql.verifier(self._password, iterations)
        role = postgres_sql.quoted(self._order.settings.role)
        # A database's first connection fills its caches: let it be the service's own.
        dsn = server.dsn(database=self._order.settings.database)
        with postgres_sql.connected(dsn) as connection:
            postgres_sql.execute(
                connection, f"ALTER ROLE {role} PASSWORD '{kept}'", f"{self._order.place}.auth"
            )

    def _lease(self, server: Server) -> Lease:
        settings = self._order.settings
        address = Address(host="127.0.0.1", port=server.order.port, socket_folder=str(server.socket_folder))
        values = {
            "user": settings.role,
            "password": self._password,
            "host": address.host,
            "port": str(address.port),
            "database": settings.database,
            "socket_folder": address.socket_folder,
            "bin_dir": self._order.binaries.bin_dir,
        }
        libpq = (address.host, str(address.port), settings.role, self._password, settings.database)
        env = dict(zip(LIBPQ, libpq, strict=True)) if settings.name == "postgres" else {}
        env |= {
            key: fill(text, values, f"{self._order.place}.env.{key}") for key, text in settings.env.items()
        }
        return Lease(
            resource=self.name,
            kind="postgres",
            address=address,
            env=env,
            values=values,
            secrets=() if self._auth == "trust" else (self._password,),
        )
