"""The box that a session lives in: Linux namespaces, or guarded; and the reaper.

A namespace box ends with its first process: the kernel removes every process, SysV segment and
tmpfs in it. A guarded box is a folder with a lock that its supervisor holds, a marker variable in
every process, and a watchdog that sweeps both when the supervisor is gone. Whatever a lost
watchdog leaves is swept by the reaper, when the next session starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.errors import BoxError
from noxlib.files import cache_folder

NAMESPACE, GUARDED = "namespace", "guarded"
MARKER = "NOXLIB_BOX_ID"
PREFIX = "noxlib-"
SHM = Path("/dev/shm")  # noqa: S108  a mount point, not a temporary file
ROOM_BYTES = 512 * 1024 * 1024  # below this, clones and TMPDIR go to the disk
PORTS = range(15000, 32000)  # below Linux' ephemeral range, where client sockets take ports at random
_AMBIENT, _CLEAR_ALL = 47, 4  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL of <linux/prctl.h>
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
_UP = 0x1  # IFF_UP of <net/if.h>
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a supervisor finds inside. `folder` goes with the box."""

    kind: str
    folder: Path
    private_network: bool

    @property
    def home(self) -> Path:
        """HOME of everything in the box."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of everything in the box."""
        return self.folder / "tmp"


def choose() -> str:
    """Return the kind of box that this machine allows; NOXLIB_BOX=guarded|namespace forces one.

    Raises BoxError when NOXLIB_BOX names another kind, or one that the kernel refuses.
    """
    forced = os.environ.get("NOXLIB_BOX", "")
    if forced not in {"", NAMESPACE, GUARDED}:
        raise BoxError(f"NOXLIB_BOX={forced}: unknown box. One of: {NAMESPACE}, {GUARDED}")
    if forced == GUARDED:
        return GUARDED
    refusal = _refusal()
    if not refusal:
        return NAMESPACE
    if forced == NAMESPACE:
        raise BoxError(
            f"NOXLIB_BOX=namespace: this machine allows no namespaces: {refusal}",
            remedy="unset NOXLIB_BOX to use a guarded box, or allow unprivileged user namespaces",
        )
    return GUARDED


def _refusal() -> str:
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "there is no `unshare` here"
    done = launch.run([*_unshare(closed=True), "true"], launch.Setting(sink=lambda _chunk: None), timeout=10)
    return done.output.strip() or f"exit code {done.code}" if done.code else ""


def _unshare(*, closed: bool) -> list[str]:
    user, group = os.geteuid(), os.getegid()
    # Mapped to itself: PostgreSQL refuses root, and initdb wants a user that passwd knows.
    own = ["--user", f"--map-user={user}", f"--map-group={group}", "--keep-caps"]
    identity = [] if user == 0 else own
    network = ["--net"] if closed else []
    return [
        "unshare",
        *identity,
        *network,
        "--pid",
        "--ipc",
        "--mount",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]


def command(kind: str, supervisor: Sequence[str], *, closed: bool) -> list[str]:
    """Return the command line that runs a supervisor as the first process of a box."""
    return [*_unshare(closed=closed), *supervisor] if kind == NAMESPACE else list(supervisor)


@contextlib.contextmanager
def entered(kind: str, *, closed: bool, visible: Sequence[Path] = ()) -> Iterator[Box]:
    """Set up the inside of the box; on the way out remove all that it held. For supervisors.

    `visible` are folders that the box needs; a tmpfs of its own isn't laid over them.
    """
    memory = SHM
    if kind == NAMESPACE:
        memory = _private_memory(visible)
        if closed:
            _loopback_up()
        # What a plain user was given to set up the box; a suite with it could read any file of his.
        ctypes.CDLL(None).prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    elif sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with _folder(kind, memory) as folder:
        box = Box(kind=kind, folder=folder, private_network=kind == NAMESPACE and closed)
        for each in (box.home, box.temporary):
            each.mkdir()
        # The server's unprivileged user needs to pass through, and to make temporary files.
        box.temporary.chmod(0o1777)
        yield box


@contextlib.contextmanager
def _folder(kind: str, memory: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_base(memory)))
    folder.chmod(0o711)
    os.environ[MARKER] = folder.name
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kind == GUARDED:
            with _watchdog(folder):
                yield folder
        else:
            yield folder
    finally:
        if kind == GUARDED:
            sweep(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _base(memory: Path) -> Path:
    """Return where box folders are made: tmpfs when there is room, else the temp folder.

    A long TMPDIR would break Unix sockets (103 bytes), so /tmp stands in for one.
    """
    if os.environ.get("NOXLIB_TMPFS", "on") != "off" and _room(memory) > ROOM_BYTES:
        return memory
    chosen = Path(tempfile.gettempdir())
    return chosen if len(str(chosen)) < 40 else Path("/tmp")  # noqa: PLR2004, S108  see the docstring


def _room(memory: Path) -> int:
    """Return the bytes that a tmpfs can take: the smaller of its free space and of free memory."""
    try:
        space = os.statvfs(memory)
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 0)
    free = int(space.f_bavail * space.f_frsize)
    return min(free, available) if os.access(memory, os.W_OK) else 0


def _private_memory(visible: Sequence[Path]) -> Path:
    """Mount a tmpfs of the box's own: it holds everything, and goes with the box.

    Over /dev/shm, unless that holds what the box needs (a box within a box, whose /dev/shm is
    private already): then over a folder of the cache that is there for it.
    """
    place = SHM
    if not SHM.is_dir() or any(each.resolve().is_relative_to(SHM) for each in visible):
        place = cache_folder() / "box"
        place.mkdir(parents=True, exist_ok=True)
    size = os.environ.get("NOXLIB_TMPFS_SIZE") or "50%"
    done = launch.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "noxlib", str(place)], timeout=10
    )
    if done.code:
        raise BoxError(f"box: no tmpfs of its own: {done.describe()}", remedy="set NOXLIB_BOX=guarded")
    return place


def _loopback_up() -> None:
    """Set the loopback interface up, by the two ioctls of netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(sock, _GET_FLAGS, request))[1]
        fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


def free_port() -> int:
    """Return a port that nobody listens on now. The caller must be ready to lose the race for it."""
    start = int.from_bytes(os.urandom(2), "big") % len(PORTS)
    candidates: tuple[int, ...] = (*PORTS[start:], *PORTS[:start])
    for port in candidates:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                sock.bind(("127.0.0.1", port))
                return port
    raise BoxError(f"no free port between {PORTS.start} and {PORTS.stop}", remedy="end what holds them")


# --- sweeping -------------------------------------------------------------------------------


@contextlib.contextmanager
def _watchdog(folder: Path) -> Iterator[None]:
    """Keep a process that sweeps the box when our end of its pipe closes, whatever closes it."""
    reader, writer = os.pipe()
    environment = {key: value for key, value in os.environ.items() if key != MARKER}
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    child = launch.start(
        [sys.executable, "-S", "-m", "noxlib.box", str(folder), str(reader)],
        launch.Setting(env=environment, pass_fds=(reader,)),
    )
    os.close(reader)
    try:
        yield
    finally:
        # The sweep of a clean end is the supervisor's own: the watchdog is no longer needed.
        child.stop(grace=0.0, first=signal.SIGKILL)
        os.close(writer)


def sweep(folder: Path, *, patience: float = 2.0) -> None:
    """End every process of a guarded box, servers first, remove their SysV segments and the folder."""
    segments = _segments(folder)
    deadline = time.monotonic() + patience
    sent: set[int] = set()
    while pids := _members(folder):
        hard = time.monotonic() > deadline - patience / 2
        for pid in pids:
            # SIGQUIT lets a PostgreSQL server remove its shared memory; SIGKILL would leak it.
            number = signal.SIGKILL if hard or not _is_postmaster(pid, folder) else signal.SIGQUIT
            if pid not in sent or hard:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            sent.add(pid)
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    for segment in segments:
        launch.run(["ipcrm", "-m", segment], launch.Setting(sink=lambda _chunk: None), timeout=5)
    shutil.rmtree(folder, ignore_errors=True)


def reap() -> int:
    """Sweep the guarded boxes whose supervisor and watchdog are both gone; return how many."""
    swept = 0
    for base in {SHM, Path(tempfile.gettempdir()), Path("/tmp")}:  # noqa: S108  see _base
        for folder in base.glob(f"{PREFIX}*"):
            if _abandoned(folder):
                sweep(folder)
                swept += 1
    return swept


def _abandoned(folder: Path) -> bool:
    try:
        if folder.stat().st_uid != os.geteuid():
            return False
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _members(folder: Path) -> set[int]:
    """Return the processes that carry the box's marker or name its folder, Redis', and their children."""
    import psutil  # noqa: PLC0415  the watchdog pays for it only when it acts

    mine = os.getpid()
    found: set[int] = set()
    renamed = _redis_servers(folder)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == mine or process.status() == psutil.STATUS_ZOMBIE:
                continue
            marked = _environment(process.pid, folder.name) or str(folder) in " ".join(process.cmdline())
            if (
                (marked or process.pid in renamed)
                and "noxlib.box" not in process.cmdline()
                and "noxlib.supervisor" not in process.cmdline()
            ):
                found.add(process.pid)
                found |= {child.pid for child in process.children(recursive=True)}
    return found - {mine}


def _redis_servers(folder: Path) -> set[int]:
    """Return the Redis servers of a box: their title has overwritten the marker and the command line."""
    found = set()
    for each in folder.glob("redis*/redis.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(each.read_text(encoding="ascii"))
            if Path(f"/proc/{pid}/cwd").resolve() == each.parent.resolve():
                found.add(pid)
    return found


def _environment(pid: int, name: str) -> bool:
    with contextlib.suppress(OSError):
        return f"{MARKER}={name}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
    return False


def _is_postmaster(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return words[0].endswith(b"postgres") and any(str(folder).encode() in word for word in words[1:])
    return False


def _segments(folder: Path) -> list[str]:
    """Return the SysV shared memory ids of the box's servers: line 7 of each postmaster.pid."""
    found = []
    for each in folder.glob("**/postmaster.pid"):
        with contextlib.suppress(OSError, IndexError):
            found.append(each.read_text(encoding="utf-8").splitlines()[6].split()[1])
    return found


def _watch(folder: Path, descriptor: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(descriptor, 1):
        pass
    import site  # noqa: PLC0415  -S saved its cost until now

    site.main()
    sweep(folder)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), int(sys.argv[2]))
