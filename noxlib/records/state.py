"""The state folder, .noxlib: where runs and their history are kept."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from pathlib import Path

from noxlib.errors import RecordError
from noxlib.model import Record
from noxlib.records.history import History
from noxlib.records.run import Run, read_record
from noxlib.state import StateFolder

KEPT_RUNS = 20


class State(StateFolder):
    """The state folder with what is kept in it: runs, their history, failing examples."""

    __slots__ = ()

    @property
    def history(self) -> History:
        """The table of all runs, of every checkout."""
        self.hide()
        return History(self.folder / "history.sqlite")

    def examples(self, service: str) -> Path:
        """Return where hypothesis keeps the failing examples of a service."""
        return self.folder / "examples" / service

    def new_run(self, session: str) -> Run:
        """Make the folder of a new run; its id sorts by time and is unique under `nox -j`.

        Raises RecordError when the state folder can't be written.
        """
        now = dt.datetime.now(dt.timezone.utc)
        run_id = f"{now:%Y%m%dT%H%M%S.%f}"[:-3] + f"-{os.urandom(4).hex()}"
        folder = self.run_folder(session, run_id)
        try:
            folder.mkdir(parents=True)
            for each in ("logs", "coverage"):
                (folder / each).mkdir()
        except OSError as error:
            raise RecordError(
                f"{folder}: can't be made: {error.strerror}",
                remedy="free some space, or make the folder yours, or set NOXLIB_STATE",
            ) from error
        self.hide()
        return Run(folder=folder, run_id=run_id)

    def run_folder(self, session: str, run_id: str) -> Path:
        """Return where a run's evidence lies."""
        return self._runs(session) / run_id

    def latest_whole(self, session: str) -> Path | None:
        """Return the newest run folder whose record is of the whole suite.

        Raises RecordError when a newer one can't be read.
        """
        for path in sorted(self._runs(session).glob("*/record.json"), reverse=True):
            if not read_record(path.parent).partial:
                return path.parent
        return None

    def prune(self, session: str, keep: int = KEPT_RUNS) -> None:
        """Remove all but the newest runs of a session; the latest of the whole suite always stays."""
        latest = None
        with contextlib.suppress(RecordError):
            latest = self.latest_whole(session)
        with contextlib.suppress(OSError):
            for folder in sorted(self._runs(session).iterdir())[:-keep]:
                if folder != latest:
                    shutil.rmtree(folder, ignore_errors=True)

    def add_to_history(self, record: Record) -> None:
        """Add a finished run of this checkout to the history."""
        self.history.add(record, self.checkout)

    def durations(self) -> dict[str, float]:
        """Return each session's median seconds over its last passed runs."""
        return self.history.durations()

    def _runs(self, session: str) -> Path:
        return self.folder / "runs" / self.checkout / session
