"""testing.postgresql's engine with its weaknesses mended; the only module that imports it.

What is overridden, and why: initdb refuses root; the port search races and ends on somebody
else's server; the URL is TCP only; start and stop poll every 100 ms; the stop signal asked for is
ignored; copies lose their owner; arguments are split at spaces; a forked child deletes the
parent's data; an empty LANG gives a cluster that isn't UTF-8; a failed start deletes the log.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
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

POLL_SECONDS = 0.003
BOOT_SECONDS = 60.0
STOP_SECONDS = 5.0
SOCKET_PATH_BYTES = 103  # sun_path of macOS less its NUL; Linux has 107
SUPERUSER = "postgres"

# The data is thrown away: nothing has to survive a crash of the machine. dynamic shared memory is
# mmap'ed files in the data folder, which go with it, also after SIGKILL. wal_level=minimal and
# autovacuum=off change behaviour (logical replication, statistics): settings switch them back.
THROW_AWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
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
    template: Path | None = None  # a data folder to clone; None: initdb
    locale: str = "C"
    settings: Mapping[str, str] = field(default_factory=dict)
    credentials: launch.Credentials | None = None
    host: str = ""  # "": Unix socket only
    port: int = 5432
    auth: str = "trust"  # over TCP; the socket lies in a private folder


class Server(Postgresql):  # type: ignore[misc]  # the library has no types
    """A PostgreSQL server over a cluster of its own."""

    def __init__(self, order: ServerOrder) -> None:
        """Lay the folder out; `setup` fills it, `start` boots it."""
        self.order = order
        self.base = order.folder
        program = Path(order.binaries.bin_dir)
        super().__init__(
            auto_start=0,
            base_dir=str(order.folder),
            port=order.port,
            initdb=str(program / "initdb"),
            postgres=str(program / "postgres"),
            copy_data_from=str(order.template) if order.template else None,
        )

    @property
    def data(self) -> Path:
        """The cluster's data folder."""
        return self.base / "data"

    @property
    def socket_folder(self) -> Path:
        """Where the Unix socket lies; private."""
        return self.base / "tmp"

    def setup(self) -> None:
        """Clone the template, or make a new cluster."""
        self._check_socket_path()
        self._own(self.base)
        if self.settings["copy_data_from"]:
            reflink = ["--reflink=auto"] if sys.platform == "linux" else []
            source, self.settings["copy_data_from"] = self.settings["copy_data_from"], None
            self._command(["cp", "-a", *reflink, source, str(self.data)], privileged=True)
        for name in self.subdirectories:
            folder = self.base / name
            if not folder.exists():
                folder.mkdir(mode=0o700)
                self._own(folder)
        self.initialize_database()
        hba = self.base / "pg_hba.conf"
        hba.write_text(f"local all all trust\nhost all all 127.0.0.1/32 {self.order.auth}\n", "utf-8")
        self._own(hba)

    def initialize_database(self) -> None:
        """Make a UTF-8 cluster as the server's user, unless one was cloned."""
        if (self.data / "PG_VERSION").exists():
            return
        locale = f"--locale={self.order.locale}"
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
        """Boot and wait until it accepts connections; the log stays when that fails."""
        self.child_process = launch.start(
            self.get_server_commandline(),
            launch.Setting(env=_server_environment(), log=self.order.log, credentials=self.order.credentials),
        )
        try:
            self.wait_booting()
        except BaseException:
            self.terminate()
            raise

    def wait_booting(self) -> None:
        """Wait for our own postmaster.pid: line 1 is our child, line 8 says ready.

        A connection would prove less: with a taken port it ends on somebody else's server.
        """
        deadline = time.monotonic() + BOOT_SECONDS
        while not self.is_server_available():
            code = self.child_process.code
            if code is not None:
                # The pump may still be writing the reason.
                self.child_process.wait(1.0)
                raise ResourceError(
                    f"PostgreSQL {self.order.binaries.version} ended with exit code {code} while "
                    f"starting:\n{self.read_bootlog()}\n  log: {self.order.log}"
                )
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"PostgreSQL wasn't ready within {BOOT_SECONDS:g} s\n  log: {self.order.log}"
                )
            time.sleep(POLL_SECONDS)

    def is_server_available(self) -> bool:
        """Tell whether our own server is ready."""
        lines = self._pid_file()
        return len(lines) > 7 and lines[0] == str(self.server_pid) and lines[7].strip() == "ready"  # noqa: PLR2004

    def is_alive(self) -> bool:
        """Tell whether the server's first process runs."""
        return self.child_process is not None and self.child_process.code is None

    def read_bootlog(self) -> str:
        """Return the log's last lines."""
        with contextlib.suppress(OSError):
            lines = self.order.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
            return "\n".join(f"    {line}" for line in lines)
        return ""

    def terminate(self, _signal: int | None = None) -> None:
        """End the server: by `_signal`, or SIGQUIT (at once, its shared memory removed)."""
        if self.child_process is None or self._owner_pid != os.getpid():
            return
        segment = self._segment()
        backends = launch.descendants(self.child_process.pid) if self.child_process.code is None else set()
        first = _signal or signal.SIGQUIT
        os.kill(self.child_process.pid, first)
        if self.child_process.wait(STOP_SECONDS) is None:
            os.kill(self.child_process.pid, signal.SIGKILL)
            self.child_process.wait()
        launch.kill(backends if first == signal.SIGKILL else ())
        if segment and self.child_process.code not in {0, None} and first == signal.SIGKILL:
            self._remove_segment(segment)
        self.child_process = None

    def stop(self, _signal: int | None = None) -> None:
        """End the server and remove its folder, with what a SIGKILL from outside has left."""
        if self._owner_pid != os.getpid():
            return
        segment = self._segment()
        try:
            self.terminate(_signal)
        finally:
            if segment:
                self._remove_segment(segment)
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

    def _pid_file(self) -> list[str]:
        with contextlib.suppress(OSError):
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return []

    def _segment(self) -> str:
        """Return the id of the server's SysV shared memory: line 7 of postmaster.pid."""
        words = self._pid_file()[6:7]
        return words[0].split()[1] if words and len(words[0].split()) > 1 else ""

    @staticmethod
    def _remove_segment(segment: str) -> None:
        # It is gone already unless somebody killed the server: then ipcrm's complaint is no news.
        if f" {segment} " in Path("/proc/sysvipc/shm").read_text(encoding="ascii"):
            launch.run(["ipcrm", "-m", segment], launch.Setting(sink=lambda _chunk: None), timeout=5)

    def _command(self, words: list[str], *, privileged: bool = False) -> None:
        setting = launch.Setting(
            env=_server_environment(),
            log=self.order.log,
            credentials=None if privileged else self.order.credentials,
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


def _server_environment() -> dict[str, str]:
    """Return the little that a server needs, whatever the caller's shell holds."""
    found = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
    return {**found, MARKER: os.environ[MARKER]} if MARKER in os.environ else found
