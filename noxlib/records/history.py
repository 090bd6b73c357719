"""The history: one row for each run, in SQLite, safe under `nox -j`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from noxlib.errors import RecordError
from noxlib.files import locked
from noxlib.model import Record, from_json, to_json

if TYPE_CHECKING:
    from sqlite3 import Connection

SCHEMA = 1  # PRAGMA user_version
BUSY_SECONDS = 30.0
RUNS_FOR_A_DURATION = 5
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, checkout TEXT NOT NULL, session TEXT NOT NULL, service TEXT NOT NULL,
    type TEXT NOT NULL, passed INTEGER NOT NULL, started TEXT NOT NULL, seconds REAL NOT NULL,
    coverage REAL, fingerprint TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_session ON runs (session, passed, run_id, seconds);
"""
# Walks the index from name to name: SELECT DISTINCT would read every run there ever was.
_SESSIONS = """
WITH RECURSIVE names(name) AS (
    SELECT min(session) FROM runs
    UNION ALL SELECT (SELECT min(session) FROM runs WHERE session > name) FROM names WHERE name IS NOT NULL
) SELECT name FROM names WHERE name IS NOT NULL
"""
T = TypeVar("T")


class History:
    """All runs of all checkouts.

    A file that is broken, or that a newer noxlib wrote, is moved aside with a notice and begun
    anew. What the disk refuses is a RecordError.
    """

    def __init__(self, path: Path) -> None:
        """Keep the rows in `path`, which is made when the first row is added."""
        self._path = path

    def add(self, record: Record, checkout: str) -> None:
        """Add a finished run. The same run added twice stays one row."""
        plan = record.plan
        row = (
            record.run_id,
            checkout,
            plan.name,
            plan.service,
            plan.type,
            record.verdict.passed,
            record.started,
            record.seconds,
            record.coverage,
            record.fingerprint,
            json.dumps(to_json(record)),
        )
        insert = f"INSERT OR REPLACE INTO runs VALUES ({','.join('?' * len(row))})"  # noqa: S608  marks only
        self._with(lambda connection: connection.execute(insert, row))

    def durations(self) -> dict[str, float]:
        """Return each session's median seconds over its last five passed runs, of any checkout.

        They only order the sessions: a history that can't be read gives none.
        """

        def read(connection: Connection) -> dict[str, float]:
            found = {}
            for (session,) in connection.execute(_SESSIONS).fetchall():
                rows = connection.execute(
                    "SELECT seconds FROM runs WHERE session = ? AND passed = 1 ORDER BY run_id DESC LIMIT ?",
                    (session, RUNS_FOR_A_DURATION),
                ).fetchall()
                if rows:
                    found[str(session)] = _median([seconds for (seconds,) in rows])
            return found

        if not self._path.exists():
            return {}
        with contextlib.suppress(RecordError):
            return self._with(read)
        return {}

    def latest(self, session: str, checkout: str) -> Record | None:
        """Return the newest run of a session in a checkout."""

        def read(connection: Connection) -> Record | None:
            row = connection.execute(
                "SELECT record FROM runs WHERE session = ? AND checkout = ? ORDER BY run_id DESC LIMIT 1",
                (session, checkout),
            ).fetchone()
            return _record(row[0]) if row else None

        return self._with(read) if self._path.exists() else None

    def _with(self, work: Callable[[Connection], T]) -> T:
        """Do something with the open database; when it turns out to be unreadable, with a new one."""
        import sqlite3  # noqa: PLC0415  the listing of sessions mustn't pay for it

        try:
            try:
                return self._once(work)
            except sqlite3.OperationalError:
                raise  # busy, full, read-only: the file itself is in order
            except sqlite3.DatabaseError as error:
                self._move_aside(str(error))
                return self._once(work)
        except sqlite3.Error as error:
            raise RecordError(
                f"{self._path}: {error}",
                remedy="free some space on that disk, or make the folder yours, or set NOXLIB_STATE",
            ) from error

    def _once(self, work: Callable[[Connection], T]) -> T:
        with contextlib.closing(self._open()) as connection, connection:
            return work(connection)

    def _open(self) -> Connection:
        import sqlite3  # noqa: PLC0415  as above

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise sqlite3.DatabaseError(f"written by a newer noxlib: schema {version}, known is {SCHEMA}")  # noqa: TRY301  closed below
            if version < SCHEMA:
                self._lay_out(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _lay_out(self, connection: Connection) -> None:
        import sqlite3  # noqa: PLC0415  as above

        with self._lock():
            # Some file systems can't, and a reader may be in the way: it works without, slower.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"{_TABLE} PRAGMA user_version = {SCHEMA};")

    def _move_aside(self, why: str) -> None:
        """Move a file away that can't be used, unless another process has done so meanwhile."""
        with self._lock():
            if self._usable():
                return
            aside = self._path.with_name(f"{self._path.stem}.unusable-{os.urandom(3).hex()}.sqlite")
            for suffix in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self._path}{suffix}").replace(f"{aside}{suffix}")
        print(f"noxlib: {self._path.name}: {why}; it was moved to {aside.name}", file=sys.stderr)

    def _usable(self) -> bool:
        import sqlite3  # noqa: PLC0415  as above

        with contextlib.suppress(sqlite3.DatabaseError):
            with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            return bool(version <= SCHEMA and found == "ok")
        return False

    def _lock(self) -> contextlib.AbstractContextManager[object]:
        return locked(self._path.with_suffix(".lock"))


def _record(text: str) -> Record:
    try:
        return from_json(Record, json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordError(
            f"history: a record can't be read: {error}", remedy="run the session again"
        ) from error


def _median(values: list[float]) -> float:
    """Return the median; `statistics` costs more to import than this does to write."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
