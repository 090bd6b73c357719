"""The only module that starts processes: group, environment, time limit, log, redaction.

Every child is the first of a session and a process group of its own. Ending it escalates from
SIGTERM to SIGKILL and takes its whole tree with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from noxlib.errors import NoxlibError

_starting = threading.Lock()
_known: set[int] = set()
TAIL_BYTES = 64 * 1024
PIPE = subprocess.PIPE
_RESTORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

Sink = Callable[[bytes], object]


class Redactor:
    """Replace secrets in a stream of bytes, also where a secret is cut by a chunk's end."""

    MASK = b"[redacted]"

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secrets; further ones may be added while the stream runs."""
        self._secrets: list[bytes] = []
        self._held = b""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Redact these too. Empty strings are ignored."""
        found = {item.encode() for item in secrets if item} | set(self._secrets)
        self._secrets = sorted(found, key=len, reverse=True)

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be shown of all that came so far."""
        data = self._replace(self._held + chunk)
        keep = self._unfinished(data)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def flush(self) -> bytes:
        """Return what was held back, at the stream's end."""
        held, self._held = self._held, b""
        return self._replace(held)

    def text(self, value: str) -> str:
        """Redact one whole text."""
        return self._replace(value.encode()).decode(errors="replace")

    def _replace(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, self.MASK)
        return data

    def _unfinished(self, data: bytes) -> int:
        """Return the length of the longest end of `data` that a secret could begin with."""
        longest = 0
        for secret in self._secrets:
            for size in range(min(len(secret) - 1, len(data)), longest, -1):
                if secret.startswith(data[-size:]):
                    longest = size
                    break
        return longest


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
        how = "ran out of time" if self.timed_out else f"ended with exit code {self.code}"
        tail = [f"    {line}" for line in self.output.rstrip().splitlines()[-lines:]]
        where = [f"  log: {log}"] if log else []
        return "\n".join([f"`{' '.join(self.command)}` {how}", *tail, *where])


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
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._pump:
            # A grandchild may hold the pipe open long after its parent has gone.
            self._pump.join(timeout=1.0)
        return code

    def send(self, number: int) -> None:
        """Send a signal to the whole process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self, grace: float = 5.0, first: int = signal.SIGTERM) -> int:
        """End the whole tree: `first`, and SIGKILL for what is left after `grace` seconds."""
        tree = descendants(self.pid)
        if self.code is None:
            self.send(first)
            if self.wait(grace) is None:
                tree |= descendants(self.pid)
        self.send(signal.SIGKILL)
        kill(tree)
        return self.wait() or 0

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
    import psutil  # noqa: PLC0415  17 ms that most sessions never need

    with contextlib.suppress(psutil.Error):
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return set()


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to processes that may be gone already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


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
    try:
        with _starting:
            popen = _popen(command, setting)
    except OSError as error:
        raise NoxlibError(f"`{' '.join(command)}` could not be started: {error}") from error
    child = Child(popen, command)
    if popen.stdout is not None:
        sinks = [setting.sink] if setting.sink else []
        if setting.log is not None:
            sinks.append(_log_sink(setting.log))
        child.attach(popen.stdout, sinks, setting.redactor)
    return child


def _popen(command: Sequence[str], setting: Setting) -> subprocess.Popen[bytes]:
    piped = setting.log is not None or setting.sink is not None
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
    child = start(command, _with_sink(setting, keep))
    try:
        code = child.wait(timeout)
    except BaseException:
        child.stop(grace=1.0)
        raise
    timed_out = code is None
    if code is None:
        code = child.stop(grace=2.0)
    return Completed(
        command=tuple(command),
        code=code,
        output=tail.decode(errors="replace"),
        seconds=time.monotonic() - begun,
        timed_out=timed_out,
    )


def _with_sink(setting: Setting, sink: Sink) -> Setting:

    return replace(setting, sink=sink)


def _log_sink(path: Path) -> Sink:
    stream = path.open("ab", buffering=0)

    def write(chunk: bytes) -> None:
        # A full disk must not end the test run; the gate will miss the evidence and say so.
        with contextlib.suppress(OSError):
            if chunk:
                stream.write(chunk)
            else:
                stream.close()

    return write


def _pump(stream: IO[bytes], sinks: Sequence[Sink], redactor: Redactor | None) -> None:
    redactor = redactor or Redactor()
    descriptor = stream.fileno()
    while chunk := os.read(descriptor, 65536):
        shown = redactor.feed(chunk)
        if shown:
            for sink in sinks:
                sink(shown)
    rest = redactor.flush()
    for sink in sinks:
        if rest:
            sink(rest)
        sink(b"")
    stream.close()


def restore_default_signals() -> None:
    """Undo inherited "ignore"s (nohup, a shell's background job), so that no child inherits them.

    Done once in the supervisor instead of between fork and exec: a `preexec_fn` would cost
    vfork, and what Python handles itself is reset by exec anyway.
    """
    for number in _RESTORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
