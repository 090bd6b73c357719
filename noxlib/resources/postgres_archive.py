"""A stopped cluster as one file: half the time of `cp -a`, whole or absent, owned by whoever unpacks it."""

from __future__ import annotations

import struct
from pathlib import Path

from noxlib import launch
from noxlib.errors import ResourceError

# Free space and visibility maps are rebuilt when needed (`vacuum`, and the manual on a corrupt
# map): a quarter of the files. The rest is of the server that has just stopped.
_LEFT_OUT = ("*_fsm", "*_vm", "./postmaster.opts", "./postmaster.pid")
_ESSENTIAL = ("PG_VERSION", "global/pg_control")
# PostgreSQL's ControlFileData: the cluster's state, and where its last checkpoint begins.
_CONTROL = struct.Struct("=16xI12xQ")
_SHUT_DOWN = 1
_SEGMENT_BYTES = 1024**2  # as `initdb --wal-segsize=1` made them


class BrokenArchiveError(ResourceError):
    """The archive can't be unpacked to a cluster."""


def pack(data: Path, archive: Path) -> None:
    """Write a stopped cluster's data folder to a file. Raises ResourceError when the disk is full."""
    left_out = [f"--exclude={pattern}" for pattern in (*_LEFT_OUT, *_spare_wal(data))]
    done = launch.run(["tar", "-cf", str(archive), *left_out, "-C", str(data), "."], _quiet(), timeout=120)
    if done.code:
        raise ResourceError(done.describe(), remedy="free some space there, or set NOXLIB_CACHE elsewhere")


def _spare_wal(data: Path) -> list[str]:
    """Name the WAL that a cluster doesn't need which was shut down: all but its last checkpoint's.

    8 of 40 MB: segments that are done with, or were made ready to be written next.
    """
    state, checkpoint = _CONTROL.unpack_from((data / "global/pg_control").read_bytes())
    if state != _SHUT_DOWN or any((data / "pg_replslot").iterdir()):
        return []
    first, a_log = checkpoint // _SEGMENT_BYTES, 2**32 // _SEGMENT_BYTES
    # Two: a record may lie across their border.
    needed = {f"{each // a_log:08X}{each % a_log:08X}" for each in (first, first + 1)}
    return [f"./pg_wal/{each.name}" for each in (data / "pg_wal").glob("0*") if each.name[8:] not in needed]


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
