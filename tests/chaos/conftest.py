"""A project whose session can be killed at any moment, and a look at what is left afterwards."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
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
MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a session of this project could leave on the machine."""

    processes: frozenset[str]
    folders: frozenset[str]
    segments: frozenset[str]


class Boxes:
    """A folder for guarded boxes, and the PostgreSQL servers that have lived there.

    Of a segment whose maker is dead nothing tells whose it was: the makers are noted while they live.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Boxes:  # noqa: PYI034  typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            # A server writes its pid here before it makes its segment; either may be gone by now.
            with contextlib.suppress(OSError, ValueError):
                for each in self.folder.glob("noxlib-*/*/data/postmaster.pid"):
                    self.servers.add(int(each.read_text().partition("\n")[0]))


class Victim(Project):
    """The project, with what the tests do to it.

    Its guarded boxes lie in a folder of their own, so that what is left there is this project's
    and no other session's.
    """

    def __init__(self, folder: Path, boxes: Boxes) -> None:
        super().__init__(folder)
        self._boxes = boxes

    def inside(self, box: str) -> dict[str, str]:
        """Return the variables that choose a box, and where a guarded one lies."""
        place = {"NOXLIB_TMPFS": "off", "TMPDIR": str(self._boxes.folder)} if box == "guarded" else {}
        return {"NOXLIB_BOX": box, **place}

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
        return self.start("-s", "integration-a", *words, env=self.inside(box))

    def wait_running(self, child: launch.Child, flag: Path | None = None) -> None:
        deadline = time.monotonic() + 60
        while not (flag or self.flag).exists():
            log = (self.folder / "nox.log").read_text(errors="replace")
            assert child.code is None, f"nox ended early:\n{log}"
            assert time.monotonic() < deadline, f"the test never began:\n{log}"
            time.sleep(0.02)

    def left(self) -> Left:
        """Look at the machine: this project's processes, its guarded boxes, shared memory."""
        processes = self._processes()
        rows = [row.split() for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
        dead = {pid for pid in self._boxes.servers if not psutil.pid_exists(pid)}
        return Left(
            processes=frozenset(f"{pid} {line[:120]}" for pid, line in processes.items()),
            folders=frozenset(str(each) for each in self._boxes.folder.glob("noxlib-*")),
            segments=frozenset(
                name for _, name, _, _, pid, *_ in rows if int(pid) in dead | processes.keys()
            ),
        )

    def _processes(self) -> dict[int, str]:
        """Return the processes that name the project or the folder of its boxes, and their command lines."""
        names = (str(self.folder), str(self._boxes.folder))
        found = {}
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                # A server's environment names neither, and a Redis has overwritten its words.
                text = "\n".join((line, process.cwd(), *process.environ().values()))
                alive = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            except (psutil.Error, OSError):
                continue
            if alive and any(name in text for name in names):
                found[process.pid] = line
        return found

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
def boxes() -> Iterator[Boxes]:
    """Return a short folder in memory that a server's user can pass through, as boxes are by themselves."""
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="nxv", dir=memory) as name:
        Path(name).chmod(0o711)
        with Boxes(Path(name)) as found:
            yield found


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory, boxes: Boxes) -> Victim:
    made = Victim(tmp_path_factory.mktemp("victim"), boxes)
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
