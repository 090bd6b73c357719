"""The public test kit: a throw-away project, real nox on it, and what came of it.

from noxlib.testing import project

def test_a_green_suite_passes(project):
    made = project({"services.toml": "...", "a/tests/unit/test_a.py": "def test_a(): pass"})
    made.nox("-s", "unit-a").assert_ok().assert_says("unit-a: passed")
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noxlib import launch
from noxlib.machine_lock import VARIABLE as LOCK_VARIABLE

NOXFILE = """\
from noxlib import generate_sessions

generate_sessions("services.toml")
"""
SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a nox run ended."""

    code: int
    output: str
    folder: Path

    def assert_ok(self) -> Result:
        """Fail with the whole output unless nox ended with 0."""
        assert self.code == 0, f"nox ended with {self.code}:\n{self.output}"  # noqa: S101  that's its job
        return self

    def assert_failed(self, code: int = 1) -> Result:
        """Fail with the whole output unless nox ended with `code`."""
        assert self.code == code, f"nox ended with {self.code}, not {code}:\n{self.output}"  # noqa: S101
        return self

    def assert_says(self, *texts: str) -> Result:
        """Fail unless the output holds each text."""
        for text in texts:
            assert text in self.output, f"missing {text!r} in:\n{self.output}"  # noqa: S101
        return self

    def record(self, session: str) -> dict[str, Any]:
        """Return the newest record of a session, as JSON."""
        found = sorted(self.folder.glob(f".noxlib/runs/*/{session}/*/record.json"))
        data: dict[str, Any] = json.loads(found[-1].read_text(encoding="utf-8"))
        return data

    def run_folder(self, session: str) -> Path:
        """Return the newest run folder of a session, with a record or without."""
        found = self.folder.glob(f".noxlib/runs/*/{session}/*")
        return max(found, key=lambda folder: folder.name)  # its name begins with the time, of any checkout


class Project:
    """A folder with a services.toml and a noxfile, on which the running noxlib works."""

    def __init__(self, folder: Path) -> None:
        """Take an empty folder."""
        self.folder = folder

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their path in the project."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def nox(self, *words: str, env: Mapping[str, str] | None = None, timeout: float = SECONDS) -> Result:
        """Run nox in the project and wait for its end."""
        done = launch.run(
            self.command(*words),
            launch.Setting(cwd=self.folder, env=self.environment(env), sink=lambda _chunk: None),
            timeout=timeout,
        )
        return Result(code=done.code, output=done.output, folder=self.folder)

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> launch.Child:
        """Start nox and return at once; its output goes to nox.log in the project."""
        setting = launch.Setting(cwd=self.folder, env=self.environment(env), log=self.folder / "nox.log")
        return launch.start(self.command(*words), setting)

    @staticmethod
    def command(*words: str) -> list[str]:
        """Return nox's command line."""
        return [sys.executable, "-m", "nox", "--no-error-on-missing-interpreters", *words]

    @staticmethod
    def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return our own environment, so that the inner noxlib is this one and takes no second lock."""
        package = str(Path(__file__).parent.parent)
        dropped = ("NOXLIB_SESSION", "PYTEST_ADDOPTS", "NOXLIB_STATE")
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        return {**kept, "PYTHONPATH": package, LOCK_VARIABLE: "held", "NO_COLOR": "1", **(extra or {})}


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    """Return a function that makes a project of files; a noxfile is added unless one is given."""

    def make(files: Mapping[str, str]) -> Project:
        made = Project(tmp_path / "project")
        made.write({"noxfile.py": NOXFILE, **files})
        return made

    return make
