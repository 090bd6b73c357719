"""The only module that starts processes: group, environment, time limit, log, redaction.

Every child is the first of a session and a process group of its own. Ending it escalates from
SIGTERM to SIGKILL and takes its whole tree with it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from noxlib.errors import NoxlibError, RecordError
from noxlib.redaction import Redactor

if TYPE_CHECKING:
    import psutil

__all__ = [
    "PIPE",
    "TAIL_BYTES",
    "Child",
    "Completed",
    "Credentials",
    "Redactor",
    "Setting",
    "descendants",
    "ending",
    "kill",
    "reap_orphans",
    "restore_default_signals",
    "run",
    "start",
]

_starting = threading.Lock()
_known: set[int] = set()
TAIL_BYTES = 64 * 1024
PIPE = subprocess.PIPE
_RESTORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_UNKILLABLE = 10.0  # seconds; a process in uninterruptible sleep can't be waited for

Sink = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The unprivileged user that a command is run as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command ended. `code` is negative for a signal, as with subprocess."""

    command: tuple[str, ...]
    code: int
    output: str  # the last 64 KiB of stdout and stderr together
    seconds: float
    timed_out: bool = False

    def describe(self, log: Path | None = None, lines: int = 15) -> str:
        """Return command, exit code, last lines and the log's place, for an error message."""
        how = "ran out of time" if self.timed_out else f"ended {ending(self.code)}"
        tail = [f"    {line}" for line in self.output.rstrip().splitlines()[-lines:]]
        where = [f"  log: {log}"] if log else []
        return "\n".join([f"`{shlex.join(self.command)}` {how}", *tail, *where])


class Child:
    """A running process, its output pumped to a log and a sink by a thread."""

    def __init__(self, popen: subprocess.Popen[bytes], command: Sequence[str]) -> None:
        """Wrap a process that `start` has started."""
        self.command = tuple(command)
        self.pid = popen.pid
        self._popen = popen
        self._pump: threading.Thread | None = None

    @property
    def stdin(self) -> IO[bytes]:
        """Return the pipe to the process; it was started with `Setting(stdin=PIPE)`."""
        assert self._popen.stdin is not None  # noqa: S101  see the docstring
        return self._popen.stdin

    @property
    def code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit code; None when `timeout` seconds were too few."""
        if not self._ended(timeout):
            return None
        if self._pump:
            # A grandchild may hold the pipe open long after its parent has gone.
            self._pump.join(timeout=1.0)
        return self._popen.returncode

    def send(self, number: int) -> None:
        """Send a signal to the whole process group, also when its first process has ended."""
        if self._popen.returncode is not None and _exists(self.pid):
            return  # the number was given away: no process of ours can lead that group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self, grace: float = 5.0, first: int = signal.SIGTERM) -> int:
        """End the whole tree: `first`, and SIGKILL for what is left after `grace` seconds.

        A descendant that has left the group is found as long as its line of parents up to this
        process was alive when `stop` was called; the box sweeps up what has slipped out before.
        """
        tree = _tree({self.pid}) if self.code is None else {}
        if self.code is None:
            self.send(first)
            self._ended(grace)
        self.send(signal.SIGKILL)
        _end(tree)
        code = self.wait(_UNKILLABLE)
        return -signal.SIGKILL if code is None else code

    def _ended(self, timeout: float | None) -> bool:
        self._sleep_until_end(timeout)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout if timeout is None else 0.0)
            with _starting:
                _known.discard(self.pid)  # an orphan may get the same number later
            return True
        return False

    def _sleep_until_end(self, timeout: float | None) -> None:
        """Wait by the process' file descriptor: Popen.wait with a limit polls, at last every 50 ms."""
        if timeout is None or self._popen.returncode is not None:
            return
        try:
            descriptor = os.pidfd_open(self.pid)
        except (OSError, AttributeError):
            # Reaped already, or a system without pidfds.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
            return
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(timeout * 1000)
        finally:
            os.close(descriptor)

    def attach(self, stream: IO[bytes], sinks: Sequence[Sink], redactor: Redactor | None) -> None:
        """Copy `stream` to the sinks from now on."""
        self._pump = threading.Thread(target=_pump, args=(stream, sinks, redactor), daemon=True)
        self._pump.start()


def reap_orphans() -> None:
    """Reap zombies that aren't our own children: the first process of a box inherits them.

    A known child is left to its waiter, who wants the exit code.
    """
    with _starting, contextlib.suppress(OSError):
        for folder in Path("/proc/self/task").iterdir():
            for pid in map(int, (folder / "children").read_text(encoding="ascii").split()):
                state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                if state == "Z" and pid not in _known:
                    os.waitpid(pid, os.WNOHANG)


def descendants(pid: int) -> set[int]:
    """Return the pids of all children of `pid`, and of theirs."""
    return set(_tree({pid})) - {pid}


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to processes that may be gone already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _tree(pids: Iterable[int]) -> dict[int, psutil.Process]:
    """Return processes and all their descendants, each with its identity beside its number."""
    import psutil  # noqa: PLC0415  17 ms that most sessions never need

    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(pid)
            found[pid] = top
            found.update({child.pid: child for child in top.children(recursive=True)})
    return found


def _end(tree: Mapping[int, psutil.Process]) -> None:
    """Send SIGKILL to processes, and to what they start meanwhile; a reused number is spared."""
    import psutil  # noqa: PLC0415  as above

    left = [process for process in tree.values() if process.is_running()]
    seen = set(left)
    while left:
        process = left.pop()
        with contextlib.suppress(psutil.Error):
            process.suspend()  # what stands still has no further children
            born = [child for child in process.children() if child not in seen]
            process.kill()
            left += born
            seen |= set(born)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ending(code: int) -> str:
    """Return how a process ended, to stand behind "ended": "with exit code 3", "by SIGKILL"."""
    if code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and as whom a command is run. `env` None hands down our own environment."""

    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    log: Path | None = None  # appended to, redacted
    sink: Sink | None = None  # gets what the log gets, chunk by chunk
    redactor: Redactor | None = None
    credentials: Credentials | None = None
    pass_fds: tuple[int, ...] = ()
    stdin: int = subprocess.DEVNULL


def start(command: Sequence[str], setting: Setting | None = None) -> Child:
    """Start a command in a process group of its own and return at once.

    Raises NoxlibError when the program can't be started at all.
    """
    setting = setting or Setting()
    # Opened first: a log that can't be written must not leave a process behind.
    sinks = [setting.sink] if setting.sink else []
    if setting.log is not None:
        sinks.append(_log_sink(setting.log))
    try:
        with _starting:
            popen = _popen(command, setting, piped=bool(sinks))
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument or a variable
        _give(sinks, b"")
        raise NoxlibError(f"`{shlex.join(command)}` could not be started: {error}") from error
    child = Child(popen, command)
    if popen.stdout is not None:
        child.attach(popen.stdout, sinks, setting.redactor)
    return child


def _popen(command: Sequence[str], setting: Setting, *, piped: bool) -> subprocess.Popen[bytes]:
    identity: dict[str, Any] = {}
    if setting.credentials:
        identity = {"user": setting.credentials.uid, "group": setting.credentials.gid, "extra_groups": []}
    popen: subprocess.Popen[bytes] = subprocess.Popen(
        list(command),
        cwd=setting.cwd,
        env=dict(setting.env) if setting.env is not None else None,
        stdin=setting.stdin,
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.STDOUT if piped else None,
        pass_fds=setting.pass_fds,
        start_new_session=True,
        **identity,
    )
    _known.add(popen.pid)
    return popen


def run(command: Sequence[str], setting: Setting | None = None, *, timeout: float = 600.0) -> Completed:
    """Run a command to its end, at most `timeout` seconds, and return how it went.

    A non-zero exit isn't raised: the caller knows what it means. On an
    interrupt the whole tree is ended first.
    """
    tail = bytearray()

    def keep(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-TAIL_BYTES]
        if outer is not None:
            outer(chunk)

    setting = setting or Setting()
    outer = setting.sink
    begun = time.monotonic()
    child = start(command, replace(setting, sink=keep))
    try:
        code = child.wait(timeout)
    except BaseException:
        child.stop(grace=1.0)
        raise
    timed_out = code is None
    if code is None:
        code = child.stop(grace=2.0)
    child.send(signal.SIGKILL)  # what it left running in the background
    return Completed(
        command=tuple(command),
        code=code,
        output=tail.decode(errors="replace"),
        seconds=time.monotonic() - begun,
        timed_out=timed_out,
    )


def _log_sink(path: Path) -> Sink:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("ab", buffering=0)
    except OSError as error:
        raise RecordError(
            f"{path}: can't be written: {error.strerror}",
            remedy="free some space on that disk, or make the folder yours",
        ) from error

    def write(chunk: bytes) -> None:
        # A full disk must not end the test run; the gate will miss the evidence and say so.
        with contextlib.suppress(OSError):
            if chunk:
                stream.write(chunk)
            else:
                stream.close()

    return write


def _pump(stream: IO[bytes], sinks: Sequence[Sink], redactor: Redactor | None) -> None:
    redactor = redactor.twin() if redactor else Redactor()
    descriptor = stream.fileno()
    while chunk := os.read(descriptor, 65536):
        if shown := redactor.feed(chunk):
            _give(sinks, shown)
    if rest := redactor.flush():
        _give(sinks, rest)
    _give(sinks, b"")  # the end
    stream.close()


def _give(sinks: Sequence[Sink], shown: bytes) -> None:
    for sink in sinks:
        # A terminal that was closed must not block the child on a full pipe.
        with contextlib.suppress(OSError, ValueError):
            sink(shown)


def restore_default_signals() -> None:
    """Undo inherited "ignore"s (nohup, a shell's background job), so that no child inherits them.

    Done once in the supervisor instead of between fork and exec: a `preexec_fn` would cost
    vfork, and what Python handles itself is reset by exec anyway.
    """
    for number in _RESTORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
