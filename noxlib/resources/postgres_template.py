"""Templates of clusters, on disk, shared by all sessions: initdb and the first SQL are paid once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.files import locked
from noxlib.model import Binaries, Postgres
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_server import SUPERUSER, THROW_AWAY, Server, ServerOrder

FORMAT = 1
KEPT_SECONDS = 30 * 24 * 3600
KEPT_BYTES = 2 * 1024**3
SHM = Path("/dev/shm")  # noqa: S108  memory, where initdb is four times faster than on a disk


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOrder:
    """What a template is made of."""

    settings: Postgres
    binaries: Binaries
    cache: Path
    credentials: launch.Credentials | None
    log: Path

    @property
    def key(self) -> str:
        """The hash of all that decides the template's content, and of who owns it."""
        settings = self.settings
        parts = (
            FORMAT,
            self.binaries.version,
            self.binaries.bin_dir,
            settings.locale,
            settings.database,
            settings.extensions,
            settings.init_sql,
            sorted(settings.settings.items()),
            sorted(THROW_AWAY.items()),
            self.credentials.uid if self.credentials else os.getuid(),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Where the template's data lies once built."""
        return self.cache / "postgres" / self.key


def template(order: TemplateOrder) -> Path:
    """Return a complete data folder to clone; built once, under a lock, renamed into place."""
    with locked(order.cache / "postgres" / f"{order.key}.lock"):
        if not _complete(order.folder):
            shutil.rmtree(order.folder, ignore_errors=True)
            _build(order)
            _evict(order)
        _touch(order.folder)
    return order.folder


def discard(order: TemplateOrder) -> None:
    """Remove a template whose clone didn't boot; the next `template` builds it again."""
    with locked(order.cache / "postgres" / f"{order.key}.lock"):
        shutil.rmtree(order.folder, ignore_errors=True)


def _complete(folder: Path) -> bool:
    return all((folder / each).is_file() for each in ("PG_VERSION", "global/pg_control", "postgresql.conf"))


def _build(order: TemplateOrder) -> None:
    home = order.cache / "postgres"
    for each in (order.cache, home):
        each.chmod(0o755)  # the server's unprivileged user has to reach its template
    base = SHM if os.access(SHM, os.W_OK) else home
    with _aside(base, "noxlib-t") as work, _aside(home, ".new-") as aside:
        server = Server(
            ServerOrder(
                binaries=order.binaries,
                folder=work,
                log=order.log,
                locale=order.settings.locale,
                settings=order.settings.settings,
                credentials=order.credentials,
            )
        )
        try:
            server.setup()
            server.start()
            _prepare(server, order.settings)
            # A fast shutdown writes a checkpoint: clones boot without recovery.
            server.terminate(signal.SIGINT)
            done = launch.run(["cp", "-a", str(server.data), str(aside / "data")], timeout=120)
            if done.code == 0:
                (aside / "data").rename(order.folder)
        finally:
            server.stop()


@contextlib.contextmanager
def _aside(base: Path, prefix: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(server: Server, settings: Postgres) -> None:
    with postgres_sql.connected(server.dsn()) as connection:
        if settings.database != SUPERUSER:
            postgres_sql.execute(connection, f"CREATE DATABASE {postgres_sql.quoted(settings.database)}")
    with postgres_sql.connected(server.dsn(database=settings.database)) as connection:
        for extension in settings.extensions:
            name = postgres_sql.quoted(extension)
            postgres_sql.execute(connection, f"CREATE EXTENSION IF NOT EXISTS {name} CASCADE")
        for statement in settings.init_sql:
            postgres_sql.execute(connection, statement)


def _touch(folder: Path) -> None:
    # A cache that is read-only to us still serves.
    with contextlib.suppress(OSError):
        os.utime(folder)


def _evict(order: TemplateOrder) -> None:
    """Remove templates that nobody used for a month, and the oldest above the size limit."""
    found = sorted(
        (each for each in order.folder.parent.iterdir() if _complete(each) and each != order.folder),
        key=lambda each: each.stat().st_mtime,
        reverse=True,
    )
    total = 0
    for each in found:
        total += sum(path.stat().st_size for path in each.rglob("*") if path.is_file())
        if total > KEPT_BYTES or time.time() - each.stat().st_mtime > KEPT_SECONDS:
            with locked(each.with_suffix(".lock")):
                shutil.rmtree(each, ignore_errors=True)
