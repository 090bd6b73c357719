"""testing.postgresql's engine with its weaknesses mended; the only module that imports it.

What is overridden, and why: initdb refuses root; the port search races and ends on somebody
else's server; the URL is TCP only; start and stop poll every 100 ms; the stop signal asked for is
ignored; copies lose their owner; arguments are split at spaces; a forked child deletes the
parent's data; an empty LANG gives a cluster that isn't UTF-8; a failed start deletes the log.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testing.postgresql import Postgresql

from noxlib import launch
from noxlib.box import MARKER
from noxlib.errors import ResourceError
from noxlib.model import Binaries
from noxlib.resources import postgres_archive, postgres_remains, postgres_sql

POLL_SECONDS = 0.003
BOOT_SECONDS = 60.0
STOP_SECONDS = 5.0
CHECKPOINT_SECONDS = 60.0  # an orderly stop writes one
SOCKET_PATH_BYTES = 103  # sun_path of macOS less its NUL; Linux has 107
SUPERUSER = "postgres"

# The data is thrown away: nothing has to survive a crash of the machine. A killed server must still
# keep what it acknowledged (chaos tests look for it), so synchronous_commit stays on; without fsync
# it costs one write to memory. Dynamic shared memory is mmap'ed files in the data folder, which go
# with it, also after SIGKILL. wal_level=minimal and autovacuum=off change behaviour (logical
# replication, statistics): settings switch them back.
THROW_AWAY: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "16MB",
    "max_connections": "100",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "min_wal_size": "16MB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOrder:
    """One cluster: where, of which binaries, as whom, listening how."""

    binaries: Binaries
    folder: Path  # exists; becomes the server's own, and goes with it
    log: Path
    template: Path | None = None  # an archive to unpack; None: initdb
    locale: str = "C"
    settings: Mapping[str, str] = field(default_factory=dict)
    credentials: launch.Credentials | None = None
    host: str = ""  # "": Unix socket only
    port: int = 5432
    auth: str = "trust"  # over TCP; the socket lies in a private folder


class PortTakenError(ResourceError):
    """Somebody else listens on the port."""


class BootError(ResourceError):
    """The server ended, or wasn't ready in time."""


class Server(Postgresql):  # type: ignore[misc]  # the library has no types
    """A PostgreSQL server over a cluster of its own."""

    template = postgres_sql.TEMPLATE
    guards_roles = True
    durable = False

    def __init__(self, order: ServerOrder) -> None:
        """Lay the folder out; `setup` fills it, `start` boots it."""
        self.order = order
        self.base = order.folder
        self.redactor = launch.Redactor()  # the log shows statements that failed
        self._said = bytearray()
        self._paused: set[int] = set()
        program = Path(order.binaries.bin_dir)
        super().__init__(
            auto_start=0,
            base_dir=str(order.folder),
            port=order.port,
            initdb=str(program / "initdb"),
            postgres=str(program / "postgres"),
        )
        self.child_process: launch.Child | None = None

    @property
    def data(self) -> Path:
        """The cluster's data folder."""
        return self.base / "data"

    @property
    def socket_folder(self) -> Path:
        """Where the Unix socket lies; private."""
        return self.base / "tmp"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.order.port

    def room(self) -> tuple[int, Path]:
        """Return the bytes that are free for databases, and where."""
        return shutil.disk_usage(self.data).free, self.data

    def setup(self) -> None:
        """Unpack the template, or make a new cluster."""
        self._check_socket_path()
        self._own(self.base)
        for name in self.subdirectories:
            folder = self.base / name
            folder.mkdir(mode=0o700)
            self._own(folder)
        if self.order.template:
            postgres_archive.unpack(self.order.template, self.data, self.order.credentials)
        else:
            self.initialize_database()
        hba = self.base / "pg_hba.conf"
        hba.write_text(
            f"local all,replication all trust\nhost all,replication all 127.0.0.1/32 {self.order.auth}\n",
            "utf-8",
        )
        self._own(hba)

    def initialize_database(self) -> None:
        """Make a UTF-8 cluster as the server's user, whatever LANG says."""
        uid = self.order.credentials.uid if self.order.credentials else os.geteuid()
        try:
            pwd.getpwuid(uid)
        except KeyError:
            raise ResourceError(
                f"PostgreSQL's initdb wants a user with a name, and the number {uid} has none here",
                remedy="add a line for it to /etc/passwd, or run nox as a user that is there",
            ) from None
        locale = f"--locale={self.order.locale}"
        # WAL segments of 1 MB: the smallest template, and no slower than 16 MB.
        words = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", locale, "--no-sync", "--wal-segsize=1"]
        self._command([self.initdb, "-D", str(self.data), "--lc-messages=C", *words])

    def get_server_commandline(self) -> list[str]:
        """Return the server's command line; values are words of it and may hold spaces."""
        settings = {
            **THROW_AWAY,
            **self.order.settings,
            "listen_addresses": self.order.host,
            "unix_socket_directories": str(self.socket_folder),
            "hba_file": str(self.base / "pg_hba.conf"),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self.postgres, "-D", str(self.data), "-p", str(self.order.port), *options]

    def start(self) -> None:
        """Boot and wait until it accepts connections; the log stays when that fails.

        Raises PortTakenError or BootError.
        """
        self._said.clear()
        self.child_process = child = launch.start(
            self.get_server_commandline(),
            launch.Setting(
                cwd=self.base,
                env=_server_environment(),
                log=self.order.log,
                sink=self._hear,
                redactor=self.redactor,
                credentials=self.order.credentials,
            ),
        )
        try:
            self._wait_booting(child)
        except BaseException:
            self.terminate()
            raise

    def _wait_booting(self, child: launch.Child) -> None:
        """Wait for our own postmaster.pid: line 1 is our child, line 8 says ready.

        A connection would prove less: with a taken port it ends on somebody else's server.
        """
        deadline = time.monotonic() + BOOT_SECONDS
        while not self.is_server_available():
            code = child.code
            if code is not None:
                child.wait()  # until the log's pump has read the reason
                raise self._boot_error(f"ended with exit code {code} while starting")
            if time.monotonic() > deadline:
                raise self._boot_error(f"wasn't ready within {BOOT_SECONDS:g} s")
            time.sleep(POLL_SECONDS)

    def _boot_error(self, what: str) -> ResourceError:
        kind = PortTakenError if b"Address already in use" in self._said else BootError
        version, log = self.order.binaries.version, self.order.log
        return kind(f"PostgreSQL {version} {what}:\n{self.read_bootlog()}\n  log: {log}")

    def _hear(self, chunk: bytes) -> None:
        self._said.extend(chunk)
        del self._said[: -launch.TAIL_BYTES]

    def is_server_available(self) -> bool:
        """Tell whether our own server is ready."""
        lines = postgres_remains.pid_file(self.data)
        return len(lines) > 7 and lines[0] == str(self.server_pid) and lines[7].strip() == "ready"  # noqa: PLR2004

    def is_alive(self) -> bool:
        """Tell whether the server's first process runs."""
        return self.child_process is not None and self.child_process.code is None

    def death(self, name: str, when: str) -> str:
        """Say how it ended by itself, with its last lines; "" while it runs, or after `terminate`."""
        if self.child_process is None or self.child_process.code is None:
            return ""
        how = launch.ending(self.child_process.wait() or 0)
        return f"{name} {self.order.binaries.version} ended {how} {when}\n{self.read_bootlog()}"

    def read_bootlog(self) -> str:
        """Return the last lines that this boot wrote."""
        lines = self._said.decode(errors="replace").splitlines()[-12:]
        return "\n".join(f"    {line}" for line in lines)

    def terminate(self, _signal: int | None = None) -> None:
        """End the server: by `_signal`, or SIGQUIT (at once, its shared memory removed).

        A server that was killed, by us or by somebody else, leaves backends and a SysV segment:
        they are removed as well.
        """
        child = self.child_process
        if child is None or self._owner_pid != os.getpid():
            return
        self.resume()
        number = _signal or signal.SIGQUIT
        patience = CHECKPOINT_SECONDS if number == signal.SIGINT else STOP_SECONDS
        if child.code is None:
            os.kill(child.pid, number)
            if number != signal.SIGKILL and child.wait(patience) is None:
                number = signal.SIGKILL
                os.kill(child.pid, number)
        if number == signal.SIGKILL or (child.code or 0) < 0:
            postgres_remains.remove(self.data)
        child.wait()
        self.child_process = None

    def pause(self) -> None:
        """SIGSTOP the server, then its backends: connections stay open, nothing answers."""
        if self.is_alive():
            os.kill(self.server_pid, signal.SIGSTOP)
            self._paused = {self.server_pid, *launch.descendants(self.server_pid)}
            _send(self._paused, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT what `pause` has stopped: a stopped server wouldn't hear another signal."""
        if self.is_alive():
            _send(self._paused, signal.SIGCONT)
        self._paused = set()

    def stop(self, _signal: int | None = None) -> None:
        """End the server and remove its folder."""
        try:
            self.terminate(_signal)
        finally:
            self.cleanup()

    def cleanup(self) -> None:
        """Remove the folder. A forked child, and a server that runs, keep it."""
        if self.child_process is None and self._owner_pid == os.getpid():
            shutil.rmtree(self.base, ignore_errors=True)

    def dsn(self, **kwargs: Any) -> dict[str, Any]:
        """Return what pg8000 connects with, over the Unix socket."""
        path = self.socket_folder / f".s.PGSQL.{self.order.port}"
        return {"unix_sock": str(path), "user": SUPERUSER, "database": "postgres", **kwargs}

    def url(self, **kwargs: Any) -> str:
        """Return a libpq URL over the Unix socket."""
        params = {"user": SUPERUSER, "database": "postgres", **kwargs}
        where = f"host={self.socket_folder}&port={self.order.port}"
        return f"postgresql://{params['user']}@/{params['database']}?{where}"

    def _command(self, words: list[str]) -> None:
        setting = launch.Setting(
            env=_server_environment(),
            log=self.order.log,
            credentials=self.order.credentials,
            cwd=self.base,
        )
        done = launch.run(words, setting, timeout=120)
        if done.code:
            raise ResourceError(done.describe(self.order.log))

    def _own(self, path: Path) -> None:
        if self.order.credentials:
            os.chown(path, self.order.credentials.uid, self.order.credentials.gid)

    def _check_socket_path(self) -> None:
        path = str(self.socket_folder / f".s.PGSQL.{self.order.port}")
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            raise ResourceError(
                f"the Unix socket's path is longer than {SOCKET_PATH_BYTES} bytes: {path}",
                remedy="set TMPDIR to a shorter folder",
            )


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _server_environment() -> dict[str, str]:
    """Return the little that a server needs, whatever the caller's shell holds."""
    found = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
    return {**found, MARKER: os.environ[MARKER]} if MARKER in os.environ else found
