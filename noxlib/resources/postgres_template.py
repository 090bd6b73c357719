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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.files import locked
from noxlib.model import Binaries, Postgres
from noxlib.resources import postgres_archive, postgres_sql
from noxlib.resources.postgres_server import SUPERUSER, THROW_AWAY, Server, ServerOrder

FORMAT = 2
KEPT_SECONDS = 30 * 24 * 3600
KEPT_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOrder:
    """What a template is made of, and where."""

    place: str  # of the settings, for errors
    settings: Postgres
    binaries: Binaries
    cache: Path
    folder: Path  # the box's: what an interrupted build leaves goes with it
    credentials: launch.Credentials | None
    log: Path

    @property
    def key(self) -> str:
        """The hash of all that decides the template's content."""
        settings = self.settings
        program = (Path(self.binaries.bin_dir) / "postgres").stat()
        parts = (
            FORMAT,
            self.binaries.version,
            self.binaries.bin_dir,
            program.st_size,
            program.st_mtime_ns,
            settings.locale,
            settings.database,
            settings.role,
            settings.extensions,
            settings.init_sql,
            sorted(settings.settings.items()),
            sorted(THROW_AWAY.items()),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def archive(self) -> Path:
        """Where the template lies once built."""
        return self.cache / "postgres" / f"{self.key}.tar"


def template(order: TemplateOrder, event: Callable[..., None]) -> Path:
    """Return the archive to clone; built once, under a lock, renamed into place.

    Raises ResourceError when it can't be built.
    """
    archive = order.archive
    kept_template(
        archive, lambda: _build(order, archive), lambda name, **facts: event(name, layer="cluster", **facts)
    )
    return archive


def kept_template(archive: Path, build: Callable[[], None], event: Callable[..., None]) -> None:
    """Have an archive, built now if there is none; only one process builds, the others wait for it."""
    if not _touched(archive):
        with locked(archive.with_suffix(".lock")):
            if not archive.exists():
                build()
                event("postgres.template", key=archive.stem)
        _evict(archive)


def pack_template(data: Path, archive: Path) -> None:
    """Write a stopped cluster to its archive, whole or not at all."""
    aside = archive.with_suffix(".aside")
    try:
        postgres_archive.pack(data, aside)
        aside.replace(archive)
    finally:
        aside.unlink(missing_ok=True)


def discard(archive: Path, broken: os.stat_result) -> None:
    """Remove a template whose clone was `broken`, unless somebody has built it again since."""
    with locked(archive.with_suffix(".lock")), contextlib.suppress(FileNotFoundError):
        if os.path.samestat(archive.stat(), broken):
            archive.unlink()


def _touched(archive: Path) -> bool:
    """Note the use of a template; False when there is none."""
    try:
        os.utime(archive)
    except FileNotFoundError:
        return False
    except PermissionError:
        pass  # a cache that is read-only to us still serves
    return True


def _build(order: TemplateOrder, archive: Path) -> None:
    # The box's folder lies in memory when there is room: initdb is four times faster there.
    work = Path(tempfile.mkdtemp(prefix="t", dir=order.folder))
    try:
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
        with server:
            server.setup()
            server.start()
            _prepare(server, order)
            # A fast shutdown writes a checkpoint: clones boot without recovery.
            server.terminate(signal.SIGINT)
            pack_template(server.data, archive)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _prepare(server: Server, order: TemplateOrder) -> None:
    settings, place = order.settings, order.place
    role, database = postgres_sql.quoted(settings.role), postgres_sql.quoted(settings.database)
    with postgres_sql.connected(server.dsn()) as connection:
        if settings.role != SUPERUSER:
            postgres_sql.execute(connection, f"CREATE ROLE {role} LOGIN", f"{place}.role")
        if settings.database != SUPERUSER:
            postgres_sql.execute(connection, f"CREATE DATABASE {database} OWNER {role}", f"{place}.database")
    with postgres_sql.connected(server.dsn(database=settings.database)) as connection:
        postgres_sql.furnish(connection, settings, place)


def _evict(kept: Path) -> None:
    """Remove templates that nobody used for a month, and those used longest ago above the size limit."""
    total = 0
    for archive in sorted(kept.parent.glob("*.tar"), key=_used, reverse=True):
        with contextlib.suppress(FileNotFoundError):
            total += archive.stat().st_size
            outdated = time.time() - _used(archive) > KEPT_SECONDS or total > KEPT_BYTES
            if outdated and archive != kept:
                # Whoever unpacks it at this moment has it open and isn't disturbed.
                archive.unlink()


def _used(archive: Path) -> float:
    try:
        return archive.stat().st_mtime
    except FileNotFoundError:
        return 0.0
