"""PostgreSQL as a resource: clone a template, boot, migrate, seed, hand out the lease."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.errors import NotAvailableYetError, NoxlibError, ResourceError
from noxlib.model import Address, Binaries, Lease, Postgres
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_server import SUPERUSER, Server, ServerOrder
from noxlib.resources.postgres_template import TemplateOrder, discard, template
from noxlib.templates import fill

PORT_TRIES = 10
COMMAND_SECONDS = 120.0
LIBPQ = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")


def server_credentials() -> launch.Credentials | None:
    """Return the unprivileged user that runs servers for root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return launch.Credentials(uid=found.pw_uid, gid=found.pw_gid)
    raise ResourceError(
        "root can't run PostgreSQL, and there is neither a user postgres nor nobody",
        remedy="add one of them, or run nox as an ordinary user",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOrder:
    """All that a session's server needs. Paths are absolute."""

    owner: str  # the service's name
    settings: Postgres
    binaries: Binaries
    folder: Path  # the box's
    cache: Path
    private_network: bool
    credentials: launch.Credentials | None
    log: Path
    service_folder: Path
    environment: Mapping[str, str]  # of migrations and seed commands
    reserve: Callable[[], int]  # a free port, when the network is shared
    event: Callable[..., None]
    port: int = 5432  # in a private network


class PostgresResource:
    """A session's own PostgreSQL server."""

    def __init__(self, order: PostgresOrder) -> None:
        """Take the order; nothing is started yet."""
        self._order = order
        self._server: Server | None = None
        self.name = f"{order.owner}/{order.settings.name}"
        self._auth = self._chosen_auth()
        self._password = "postgres" if self._auth == "trust" else secrets.token_urlsafe(24)

    @property
    def pid(self) -> int | None:
        """The server's pid while it runs."""
        return self._server.server_pid if self._server and self._server.is_alive() else None

    def start(self) -> Lease:
        """Start, migrate and seed; return the lease. Raises ResourceError."""
        self._refuse_unavailable()
        self._boot()
        assert self._server is not None  # noqa: S101  _boot has set it
        if self._auth != "trust":
            with postgres_sql.connected(self._server.dsn()) as connection:
                user, password = postgres_sql.quoted(SUPERUSER), postgres_sql.literal(self._password)
                postgres_sql.execute(connection, f"ALTER ROLE {user} PASSWORD {password}")
        lease = self._lease()
        self._migrate(lease)
        self._order.event("postgres.ready", resource=self.name)
        return lease

    def stop(self) -> None:
        """End the server at once; its data is thrown away."""
        if self._server is not None:
            server, self._server = self._server, None
            self._continue(server)
            server.stop()
            self._order.event("postgres.stopped", resource=self.name)

    def kill(self) -> None:
        """SIGKILL the server and its backends. `restart` recovers its data."""
        if self._server is not None:
            self._continue(self._server)
            self._server.terminate(signal.SIGKILL)
            self._order.event("postgres.killed", resource=self.name)

    def restart(self) -> None:
        """Start the server on the same data and port, after an orderly stop if it runs."""
        if self._server is not None:
            if self._server.is_alive():
                self._continue(self._server)
                self._server.terminate(signal.SIGINT)
            self._server.start()
            self._order.event("postgres.restarted", resource=self.name, pid=self.pid)

    def pause(self) -> None:
        """SIGSTOP the server and its backends: connections stay open, nothing answers."""
        if self._server is not None and self.pid:
            self._signal_all(self._server, signal.SIGSTOP)
            self._order.event("postgres.paused", resource=self.name)

    def resume(self) -> None:
        """SIGCONT the server and its backends."""
        if self._server is not None:
            self._continue(self._server)

    def wait_healthy(self, timeout: float) -> None:
        """Wait until the server answers a query, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                assert self._server is not None  # noqa: S101  it was started
                with postgres_sql.connected({**self._server.dsn(), "timeout": timeout}) as connection:
                    connection.run("SELECT 1")
            except Exception as error:
                # pg8000 raises several families here; each means "not yet" until the deadline.
                if time.monotonic() > deadline:
                    message = f"{self.name} didn't answer within {timeout:g} s: {error}"
                    raise ResourceError(message) from error
                time.sleep(0.05)
            else:
                return

    # --- starting ---------------------------------------------------------------------------

    def _chosen_auth(self) -> str:
        """Return how TCP connections prove themselves; on a private network nobody else is there."""
        chosen = self._order.settings.auth
        if chosen != "auto":
            return chosen
        return "trust" if self._order.private_network else "password"

    def _refuse_unavailable(self) -> None:
        settings = self._order.settings
        later = {"via": "direct", "isolation": "clone", "keep": "never", "role": SUPERUSER}
        for key, built in later.items():
            if getattr(settings, key) != built:
                raise NotAvailableYetError(
                    f'services.{self._order.owner}.{settings.name}.{key} = "{getattr(settings, key)}" '
                    "is not available yet",
                    remedy=f'use "{built}"',
                )

    def _boot(self) -> None:
        settings = self._order.settings
        wanted = TemplateOrder(
            settings=settings,
            binaries=self._order.binaries,
            cache=self._order.cache,
            credentials=self._order.credentials,
            log=self._order.log,
        )
        try:
            self._boot_clone(template(wanted))
        except ResourceError:
            if settings.port is not None and not self._order.private_network:
                raise
            # The template may be broken (a disk that was full, a hand in the cache): build it once more.
            discard(wanted)
            self._boot_clone(template(wanted))

    def _boot_clone(self, source: Path) -> None:
        fixed = self._order.port if self._order.private_network else self._order.settings.port
        for left in reversed(range(1 if fixed else PORT_TRIES)):
            server = self._new_server(source, fixed or self._order.reserve())
            try:
                server.setup()
                server.start()
            except ResourceError as error:
                server.stop()
                if "in use" not in str(error):
                    raise
                if fixed:
                    raise self._port_taken(fixed, error) from error
                if not left:
                    raise
            except BaseException:
                server.stop()
                raise
            else:
                self._server = server
                self._order.event("postgres.started", resource=self.name, pid=server.server_pid)
                return

    def _port_taken(self, port: int, error: NoxlibError) -> ResourceError:
        place = f"services.{self._order.owner}.{self._order.settings.name}"
        return ResourceError(
            f"{place}: port {port} is taken\n{error.message}",
            remedy="end what listens there, or leave `port` out so that a free one is chosen",
        )

    def _new_server(self, source: Path, port: int) -> Server:
        folder = Path(tempfile.mkdtemp(prefix="pg", dir=self._order.folder))
        folder.chmod(0o700)
        return Server(
            ServerOrder(
                binaries=self._order.binaries,
                folder=folder,
                log=self._order.log,
                template=source,
                settings=self._order.settings.settings,
                credentials=self._order.credentials,
                host="127.0.0.1",
                port=port,
                auth=self._auth,
            )
        )

    def _lease(self) -> Lease:
        assert self._server is not None  # noqa: S101  _boot has set it
        settings = self._order.settings
        address = Address(
            host="127.0.0.1", port=self._server.order.port, socket_folder=str(self._server.socket_folder)
        )
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
        place = f"services.toml: services.{self._order.owner}.{settings.name}.env"
        env = dict(zip(LIBPQ, libpq, strict=True)) if settings.name == "postgres" else {}
        env |= {key: fill(text, values, place) for key, text in settings.env.items()}
        return Lease(
            resource=self.name,
            kind="postgres",
            address=address,
            env=env,
            values=values,
            secrets=() if self._auth == "trust" else (self._password,),
        )

    # --- migrations and seeds ---------------------------------------------------------------

    def _migrate(self, lease: Lease) -> None:
        settings = self._order.settings
        if settings.migrate:
            self._command("migrate", settings.migrate, lease)
        if settings.seed_command:
            self._command("seed", settings.seed_command, lease)
        if settings.seed:
            self._seed()

    def _command(self, what: str, words: tuple[str, ...], lease: Lease) -> None:
        environment = {**self._order.environment, **lease.env}
        program = shutil.which(words[0], path=environment.get("PATH"))
        place = f"services.{self._order.owner}.{self._order.settings.name}.{what}"
        if program is None:
            raise ResourceError(
                f"{place}: there is no `{words[0]}` in the service's virtualenv or on PATH",
                remedy=f"lock the package that brings {words[0]}, or mend the command",
            )
        log = self._order.log.with_name(f"{self._order.log.stem}-{what}.log")
        done = launch.run(
            [program, *words[1:]],
            launch.Setting(
                cwd=self._order.service_folder,
                env=environment,
                log=log,
                redactor=launch.Redactor(lease.secrets),
            ),
            timeout=COMMAND_SECONDS,
        )
        self._order.event(f"postgres.{what}", resource=self.name, code=done.code, seconds=done.seconds)
        if done.code or done.timed_out:
            raise ResourceError(f"{place}: {launch.Redactor(lease.secrets).text(done.describe(log))}")

    def _seed(self) -> None:
        assert self._server is not None  # noqa: S101  _boot has set it
        settings = self._order.settings
        place = f"services.{self._order.owner}.{settings.name}.seed"
        for pattern in settings.seed:
            files = sorted(self._order.service_folder.glob(pattern))
            if not files:
                raise ResourceError(
                    f'{place}: "{pattern}" matches no file in the service\'s folder',
                    remedy="mend the pattern, or remove it",
                )
            with postgres_sql.connected(self._server.dsn(database=settings.database)) as connection:
                for path in files:
                    postgres_sql.execute_file(
                        connection, path, path.relative_to(self._order.service_folder).as_posix()
                    )
            self._order.event("postgres.seed", resource=self.name, pattern=pattern, files=len(files))

    @staticmethod
    def _signal_all(server: Server, number: int) -> None:
        pid = server.server_pid
        for each in (pid, *launch.descendants(pid)):
            try:
                os.kill(each, number)
            except ProcessLookupError:
                continue

    def _continue(self, server: Server) -> None:
        if server.is_alive():
            self._signal_all(server, signal.SIGCONT)
