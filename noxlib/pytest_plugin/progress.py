"""progress.jsonl: what has begun and what has ended, line by line; what a suite that is cut short leaves."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from noxlib.model import SessionFile

HARNESSES = {"race": ("noxlib_race", "noxlib_race_asyncio"), "chaos": ("noxlib_chaos",)}
NAMED = 5  # tests left out that are named


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

    def deselected(self, names: list[str]) -> None:
        """Note what -k, -m or a plugin has left out; each of xdist's workers notes the same."""
        self._write({"deselected": len(names), "first": names[:NAMED], "by": os.getpid()})

    def harnessed(self) -> None:
        """Note that a test uses the harness of its type."""
        self._write({"harness": True})

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


class Selection:
    """Note the tests that the collection leaves out, and whether any asks for what its type is there for."""

    def __init__(self, found: SessionFile, rootpath: Path) -> None:
        """Take the session, and the folder that node ids are relative to."""
        self._session = found
        self._rootpath = rootpath

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note them."""
        folder = Path(self._session.service_folder)
        with contextlib.closing(Progress(Path(self._session.run_folder))) as progress:
            progress.deselected([relative(each.nodeid, self._rootpath, folder) for each in items])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note whether a test uses the harness of its type."""
        harness = set(HARNESSES.get(self._session.plan.type, ()))
        if harness and any(harness & set(getattr(each, "fixturenames", ())) for each in session.items):
            with contextlib.closing(Progress(Path(self._session.run_folder))) as progress:
                progress.harnessed()


def relative(name: str, rootpath: Path, folder: Path) -> str:
    """Turn a node id, relative to pytest's rootdir, into one relative to the service's folder."""
    path, colons, rest = name.partition("::")
    return _place(path, rootpath, folder) + colons + rest


@cache
def _place(path: str, rootpath: Path, folder: Path) -> str:
    place = os.path.relpath(os.path.realpath(rootpath / path), os.path.realpath(folder))
    return place.replace(os.sep, "/")
