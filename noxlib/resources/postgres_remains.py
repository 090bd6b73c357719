"""What a server leaves behind when it is killed instead of stopped: backends, and a SysV segment."""

from __future__ import annotations

import contextlib
import ctypes
import time
from pathlib import Path

from noxlib import launch

_PATIENCE = 5.0  # seconds; a backend that got SIGKILL ends within milliseconds
_REMOVE = 0  # IPC_RMID of <sys/ipc.h>


def pid_file(data: Path) -> list[str]:
    """Return the lines of postmaster.pid: 1 is the pid, 7 the SysV segment, 8 the state."""
    with contextlib.suppress(OSError):
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    return []


def remove(data: Path) -> None:
    """Kill the backends of a dead server, remove its segment and its lock: it can start anew."""
    deadline = time.monotonic() + _PATIENCE
    while (pids := _inside(data)) and time.monotonic() < deadline:
        launch.kill(pids)
        time.sleep(0.005)
    _remove_segment(data)
    # A pid that was given to another process since would make PostgreSQL refuse the folder.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _inside(data: Path) -> set[int]:
    """Return the processes whose working folder is the cluster's: the server's, and no others.

    Backends are process groups of their own and lose their parent with the server, so neither
    group nor tree finds them.
    """
    import psutil  # noqa: PLC0415  40 ms that only the bad days pay

    inside = str(data.resolve())
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == inside:
                found.add(process.pid)
    return found


def _remove_segment(data: Path) -> None:
    lines = pid_file(data)
    words = lines[6].split() if len(lines) > 6 else []  # noqa: PLR2004  line 7
    if len(words) != 2:  # noqa: PLR2004  key and id
        return
    key, segment = map(int, words)
    libc = ctypes.CDLL(None)
    # An id alone may be somebody else's by now: the key is made of the data folder's inode.
    if libc.shmget(ctypes.c_int(key), 0, 0) == segment:
        libc.shmctl(segment, _REMOVE, None)
