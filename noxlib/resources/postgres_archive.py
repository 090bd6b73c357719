"""A stopped cluster as one file: half the time of `cp -a`, whole or absent, owned by whoever unpacks it."""

from __future__ import annotations

from pathlib import Path

from noxlib import launch
from noxlib.errors import ResourceError

# Free space and visibility maps are rebuilt when needed (`vacuum`, and the manual on a corrupt
# map): a quarter of the files. The rest is of the server that has just stopped.
_LEFT_OUT = ("*_fsm", "*_vm", "./postmaster.opts", "./postmaster.pid")
_ESSENTIAL = ("PG_VERSION", "global/pg_control")


class BrokenArchiveError(ResourceError):
    """The archive can't be unpacked to a cluster."""


def pack(data: Path, archive: Path) -> None:
    """Write a stopped cluster's data folder to a file. Raises ResourceError when the disk is full."""
    left_out = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    done = launch.run(["tar", "-cf", str(archive), *left_out, "-C", str(data), "."], _quiet(), timeout=120)
    if done.code:
        raise ResourceError(done.describe(), remedy="free some space there, or set NOXLIB_CACHE elsewhere")


def unpack(archive: Path, data: Path, credentials: launch.Credentials | None) -> None:
    """Fill an empty data folder as the server's user, who needn't be able to reach the archive.

    Raises BrokenArchiveError.
    """
    said = bytearray()
    try:
        with archive.open("rb") as stream:
            setting = launch.Setting(
                cwd=data, stdin=stream.fileno(), sink=said.extend, credentials=credentials
            )
            # Without a time limit: waiting with one polls, and the pauses cost more than the work.
            code = launch.start(["tar", "-xpf", "-"], setting).wait()
    except FileNotFoundError as error:
        raise BrokenArchiveError(f"{archive} has gone") from error
    if code or not all((data / name).is_file() for name in _ESSENTIAL):
        text = said.decode(errors="replace").strip() or "it holds no cluster"
        raise BrokenArchiveError(f"{archive} can't be unpacked: {text}")


def _quiet() -> launch.Setting:
    return launch.Setting(sink=lambda _chunk: None)
