"""What remains of runs: folders, the audit trail, the history. No absolute path in any of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
import shutil
import sqlite3
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noxlib.errors import RecordError
from noxlib.files import write_whole
from noxlib.launch import Redactor
from noxlib.model import Record, from_json, to_json
from noxlib.state import StateFolder

KEPT_RUNS = 20
SCHEMA = 1
_TABLE = """CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, checkout TEXT, session TEXT, service TEXT, type TEXT, passed INTEGER,
    started TEXT, seconds REAL, coverage REAL, fingerprint TEXT, record TEXT
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The folder of one run of one session."""

    folder: Path
    run_id: str

    def write_record(self, record: Record) -> None:
        """Write record.json; from now on this is the session's latest run."""
        write_whole(self.folder / "record.json", json.dumps(to_json(record), indent=2))


def read_record(folder: Path) -> Record:
    """Read a run's record. Raises RecordError when it can't be understood."""
    path = folder / "record.json"
    try:
        return from_json(Record, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordError(
            f"{path}: can't be read: {error}", remedy="remove its folder and run again"
        ) from error


class State(StateFolder):
    """The state folder with what is kept in it: runs and their history."""

    __slots__ = ()

    def new_run(self, session: str) -> Run:
        """Make the folder of a new run; its id sorts by time and is unique under `nox -j`."""
        now = dt.datetime.now(dt.timezone.utc)
        run_id = f"{now:%Y%m%dT%H%M%S.%f}"[:-3] + f"-{secrets.token_hex(3)}"
        folder = self.run_folder(session, run_id)
        try:
            for each in ("logs", "coverage"):
                (folder / each).mkdir(parents=True)
            ignore = self.folder / ".gitignore"
            if not ignore.exists():
                write_whole(ignore, "*\n")
        except OSError as error:
            raise RecordError(
                f"{folder}: can't be made: {error.strerror}",
                remedy="free some space, or make the folder yours, or set NOXLIB_STATE",
            ) from error
        return Run(folder=folder, run_id=run_id)

    def run_folder(self, session: str, run_id: str) -> Path:
        """Return where a run's evidence lies."""
        return self._runs(session) / run_id

    def latest(self, session: str) -> Path | None:
        """Return the newest run folder that has a record."""
        found = sorted(self._runs(session).glob("*/record.json"))
        return found[-1].parent if found else None

    def prune(self, session: str, keep: int = KEPT_RUNS) -> None:
        """Remove all but the newest runs of a session."""
        with contextlib.suppress(OSError):
            for folder in sorted(self._runs(session).iterdir())[:-keep]:
                shutil.rmtree(folder, ignore_errors=True)

    def add_to_history(self, record: Record) -> None:
        """Add a finished run to the history."""
        plan = record.plan
        row = (
            record.run_id,
            self.checkout,
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
        with self._history() as connection:
            connection.execute(f"INSERT OR REPLACE INTO runs VALUES ({','.join('?' * len(row))})", row)  # noqa: S608

    def durations(self, runs: int = 5) -> dict[str, float]:
        """Return each session's median seconds over its last passed runs."""
        if not (self.folder / "history.sqlite").exists():
            return {}
        with self._history() as connection:
            rows = connection.execute(
                "SELECT session, seconds FROM runs WHERE passed ORDER BY started DESC"
            ).fetchall()
        found: dict[str, list[float]] = {}
        for session, seconds in rows:
            found.setdefault(session, []).append(seconds)
        return {session: statistics.median(each[:runs]) for session, each in found.items()}

    def _runs(self, session: str) -> Path:
        return self.folder / "runs" / self.checkout / session

    @contextlib.contextmanager
    def _history(self) -> Iterator[sqlite3.Connection]:
        """Open the history; one that can't be read (newer, corrupt) is moved aside, never a crash."""
        path = self.folder / "history.sqlite"
        try:
            connection = _open(path)
        except sqlite3.DatabaseError:
            aside = path.with_suffix(f".unreadable-{secrets.token_hex(3)}")
            path.replace(aside)
            print(f"noxlib: {path.name} couldn't be read; it was moved to {aside.name}")
            connection = _open(path)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0)
    try:
        connection.execute("PRAGMA busy_timeout = 30000")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise sqlite3.DatabaseError("written by a newer noxlib")  # noqa: TRY301  closed below
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    except BaseException:
        connection.close()
        raise
    return connection


class Events:
    """The append-only audit trail: one JSON object a line, redacted as it is written."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        """Append to `path`, which a single write per line keeps whole among several processes."""
        self._path = path
        self._redactor = redactor
        self.lost = 0

    def write(self, event: str, **fields: Any) -> None:
        """Append an event. A full disk loses it, and is counted: a run must not end for it."""
        now = dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds")
        line = self._redactor.text(json.dumps({"t": now, "event": event, **fields}, default=str))
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)
        except OSError:
            self.lost += 1
