"""Who has the machine: ordinary sessions share it, one that measures has it alone."""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from noxlib.files import cache_folder, locked

VARIABLE = "NOXLIB_MACHINE_LOCK"  # "held": an outer session holds it for us
LOCKS = Path("/proc/locks")
SHOWN = 120  # characters of a command line


@contextlib.contextmanager
def machine_lock(*, alone: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the machine's lock; say once for whom we wait."""
    if os.environ.get(VARIABLE) == "held":
        yield
        return
    path = cache_folder() / "machine.lock"

    def waiting() -> None:
        other = "other sessions" if alone else "a session that measures"
        names = ", ".join(holders(path))
        say(f"waiting for {other} on this machine to end{names and f': {names}'}")

    with locked(path, shared=not alone, waiting=waiting):
        yield


def holders(path: Path) -> list[str]:
    """Return who holds a lock file: "nox -s unit-cs1 (pid 4711)". Empty where only the kernel knows."""
    found = path.stat()
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        rows = [line.split() for line in LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return []  # not Linux, or hidden
    # <number>: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF; "->" stands before who waits.
    pids = {row[4] for row in rows if row[1] == "FLOCK" and row[5] == place}
    return [f"{_command(pid)} (pid {pid})" for pid in sorted(pids, key=int) if int(pid) > 0]


def _command(pid: str) -> str:
    """Return a process's command line as its user knows it: up to what is meant for the tests alone."""
    try:
        words = Path("/proc", pid, "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return "a process"
    program, *others = words[: words.index("--")] if "--" in words else words
    return textwrap.shorten(" ".join([Path(program).name, *others]), SHOWN, placeholder=" ...")
