"""A project whose session can be killed at any moment, and a look at what is left afterwards."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from noxlib import launch
from noxlib.testing import NOXFILE, Project

SERVICES = """
[services.a]
path = "a"
source = ["src"]
[services.a.postgres]
[services.a.redis]
[services.a.types.integration]
timeout = "40s"
"""
TEST = """
import time
from pathlib import Path

import a

def test_waits():
    flag = Path(__file__).with_name("running")
    flag.touch()
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.02)
"""
BOXES = ("namespace", "guarded")
ROUNDS = int(os.environ.get("NOXLIB_SOAK_ROUNDS", "6"))  # `nox -s soak` asks for more
PLACES = (Path("/dev/shm"), Path(tempfile.gettempdir()), Path("/tmp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a session could leave on the machine."""

    processes: frozenset[str]
    folders: frozenset[str]
    segments: frozenset[str]


class Victim(Project):
    """The project, with what the tests do to it."""

    @property
    def flag(self) -> Path:
        return self.folder / "a/tests/integration/running"

    @property
    def go(self) -> Path:
        return self.folder / "a/tests/integration/go"

    def begin(self, *words: str, box: str) -> launch.Child:
        """Start a session that waits in its test."""
        self.flag.unlink(missing_ok=True)
        self.go.unlink(missing_ok=True)
        return self.start("-s", "integration-a", *words, env={"NOXLIB_BOX": box})

    def wait_running(self, child: launch.Child, flag: Path | None = None) -> None:
        deadline = time.monotonic() + 60
        while not (flag or self.flag).exists():
            log = (self.folder / "nox.log").read_text(errors="replace")
            assert child.code is None, f"nox ended early:\n{log}"
            assert time.monotonic() < deadline, f"the test never began:\n{log}"
            time.sleep(0.02)

    def left(self) -> Left:
        """Look at the machine: processes of this project, box folders, shared memory."""
        name = str(self.folder)
        processes = set()
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                mine = process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE
                cwd = process.cwd()
                if not mine and (name in " ".join(words) or name in cwd or "/noxlib-" in cwd):
                    processes.add(f"{process.pid} {' '.join(words)[:120]}")
            except (psutil.Error, OSError):
                continue
        folders = {str(each) for place in PLACES for each in place.glob("noxlib-*")}
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        return Left(
            processes=frozenset(processes),
            folders=frozenset(folders),
            segments=frozenset(row.split()[1] for row in rows),
        )

    def assert_nothing_left(self, before: Left, seconds: float = 8.0) -> None:
        """Wait, as long as the guarded box's promise says, until the machine is as before."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.left()
            rest = (
                now.processes - before.processes,
                now.folders - before.folders,
                now.segments - before.segments,
            )
            if not any(rest):
                return
            assert time.monotonic() < deadline, f"left behind: {rest}"
            time.sleep(0.05)


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    made = Victim(tmp_path_factory.mktemp("victim"))
    made.write(
        {
            "noxfile.py": NOXFILE,
            "services.toml": SERVICES,
            "a/requirements.lock": "iniconfig==2.3.0\n",
            "a/src/a.py": "VALUE = 1\n",
            "a/tests/integration/test_a.py": TEST,
        }
    )
    made.go.touch()
    made.nox("-s", "integration-a").assert_ok()
    return made
