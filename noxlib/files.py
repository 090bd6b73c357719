"""Files that outlive a process: written whole or not at all, locked, in folders that are ours."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from noxlib.errors import RecordError


def write_whole(path: Path, data: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file aside and rename it into place: a reader sees the old one or the new one.

    Raises RecordError when the disk is full or the folder can't be written.
    """
    payload = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(payload)
        aside.chmod(mode)
        aside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, waiting: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold a lock file; the kernel releases it when the process ends, however it ends.

    `waiting` is called once when somebody else holds it. The file itself stays: removing it
    would let two processes hold "the" lock. Yields the descriptor: a child that inherits it holds
    the lock on, also when its parent is killed.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


def cache_folder() -> Path:
    """Return the machine's cache of server binaries and database templates.

    `NOXLIB_CACHE`, else /var/cache/noxlib for root (an unprivileged server user must be able to
    reach it), else the user's cache folder. Raises RecordError for a user who has none.
    """
    if chosen := os.environ.get("NOXLIB_CACHE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/cache/noxlib")
    try:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    except RuntimeError:
        raise RecordError(
            f"the user {os.geteuid()} has no home folder, and so no cache folder",
            remedy="set NOXLIB_CACHE to a folder of its own",
        ) from None
    return Path(base) / "noxlib"


def _unwritable(path: Path, error: OSError) -> RecordError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "free some space on that disk" if full else "make its folder one that you may write to"
    with contextlib.suppress(RecordError):
        if path.is_relative_to(cache_folder()):
            remedy += ", or set NOXLIB_CACHE to another one"
    return RecordError(f"{path}: can't be written: {error.strerror}", remedy=remedy)
