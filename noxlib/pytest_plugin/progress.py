"""progress.jsonl: what has begun and what has ended, line by line; what a suite that is cut short leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Progress:
    """Append lines, each by a single unbuffered write: a process that is killed loses none."""

    def __init__(self, folder: Path) -> None:
        """Begin the file, or go on with it on one of xdist's workers: pytest is at work."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(folder / "progress.jsonl", flags, 0o644)

    def begun(self, name: str) -> None:
        """Note that a test begins, or the import of a test file."""
        self._write({"begun": name})

    def ended(self, name: str, outcome: object = None) -> None:
        """Note the end, and of a test how it ended."""
        self._write({"ended": name, "outcome": outcome})

    def close(self) -> None:
        """Close the file; all of it is written."""
        os.close(self._descriptor)

    def refused(self, why: str) -> None:
        """Note why pytest refuses its arguments: xdist swallows what a worker says about them."""
        self._write({"refused": why})

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")
