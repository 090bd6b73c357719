"""The control socket's language: requests, responses, frames and a client.

A frame is one line of JSON of at most 64 KiB. A request looks like
`{"v": 1, "id": 7, "token": "...", "do": "postgres.kill", "args": {"resource": "cs1/postgres"}}`,
its response like `{"v": 1, "id": 7, "ok": true, "result": ...}` or
`{"v": 1, "id": 7, "ok": false, "error": "...", "remedy": "..."}`. Requests of one connection are
answered in order. Standard library only: tests speak it from a service's environment.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

from noxlib.errors import ProtocolError
from noxlib.model import from_json

VERSION = 1
FRAME_BYTES = 64 * 1024  # the newline included
CLIENT_SECONDS = 30.0  # how long a server works for, or waits on, one client

# A suite whose time has run out is asked by this signal for its stacks, which no program uses for itself;
# the files stand in the run's logs.
STACKS_SIGNAL = getattr(signal, "SIGRTMAX", signal.SIGUSR2)  # macOS has no real-time signals
STACKS = "stacks-{pid}.log"

PING = "ping"
# A fresh database of a server, and giving it back; what a client holds is given back when it leaves.
DATABASE_ACQUIRE = "database.acquire"
DATABASE_RELEASE = "database.release"
POSTGRES_KILL = "postgres.kill"
POSTGRES_RESTART = "postgres.restart"
POSTGRES_PAUSE = "postgres.pause"
POSTGRES_RESUME = "postgres.resume"
REDIS_KILL = "redis.kill"
REDIS_RESTART = "redis.restart"
REDIS_PAUSE = "redis.pause"
REDIS_RESUME = "redis.resume"
PROCESS_KILL = "process.kill"
PROCESS_STOP = "process.stop"
PROCESS_START = "process.start"
PROCESS_RESTART = "process.restart"
PROCESS_PAUSE = "process.pause"
PROCESS_RESUME = "process.resume"
RESOURCE_WAIT = "resource.wait"  # until healthy, or for `timeout` seconds; no resource means all

# Each request and the arguments that it may have. `resource` is a lease's name: "cs1/postgres".
REQUESTS: dict[str, tuple[str, ...]] = {
    PING: (),
    DATABASE_ACQUIRE: ("resource",),
    DATABASE_RELEASE: ("resource", "database", "failed"),
    POSTGRES_KILL: ("resource",),
    POSTGRES_RESTART: ("resource",),
    POSTGRES_PAUSE: ("resource",),
    POSTGRES_RESUME: ("resource",),
    REDIS_KILL: ("resource",),
    REDIS_RESTART: ("resource",),
    REDIS_PAUSE: ("resource",),
    REDIS_RESUME: ("resource",),
    PROCESS_KILL: ("resource",),
    PROCESS_STOP: ("resource",),
    PROCESS_START: ("resource",),
    PROCESS_RESTART: ("resource",),
    PROCESS_PAUSE: ("resource",),
    PROCESS_RESUME: ("resource",),
    RESOURCE_WAIT: ("resource", "timeout"),
}

_ARGUMENTS: dict[str, tuple[type, ...]] = {
    "resource": (str,),
    "database": (str,),
    "failed": (bool,),
    "timeout": (int, float),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks for."""

    id: int
    token: str = field(repr=False)
    do: str
    args: dict[str, Any] = field(default_factory=dict)

    def authentic(self, token: str) -> bool:
        """Compare the token in constant time."""
        import hmac  # noqa: PLC0415  only servers need it, and it loads OpenSSL

        return hmac.compare_digest(self.token.encode(), token.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the server answers. `id` 0 answers a request that made no sense."""

    id: int
    ok: bool = True
    result: Any = None
    error: str = ""
    remedy: str = ""


Message = TypeVar("Message", Request, Response)


def encode(message: Request | Response) -> bytes:
    """Return the message as one frame. Raises ProtocolError when it is too large or no JSON."""
    fields = asdict(message)
    if isinstance(message, Response):
        unused = ("error", "remedy") if message.ok else ("result",)
        fields = {key: value for key, value in fields.items() if key not in unused}
    try:
        frame = json.dumps({"v": VERSION, **fields}, separators=(",", ":")).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"control: the message can't be written as JSON: {error}") from error
    if len(frame) > FRAME_BYTES:
        raise _too_large()
    return frame


def decode(kind: type[Message], frame: bytes) -> Message:
    """Return the `kind` of message in a frame.

    Raises ProtocolError for nonsense, another version, a request that doesn't exist or a frame
    that is too large.
    """
    data = _parse(frame)
    if kind is Request:
        _check(data, {"token": str, "do": str, "args": dict})
        _check_request(data["do"], data["args"])
    else:
        _check(data, {"ok": bool} if data.get("ok") else {"ok": bool, "error": str, "remedy": str})
    return from_json(kind, data)


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read one frame; None at the stream's end. Raises ProtocolError when it is cut or too large."""
    frame = stream.readline(FRAME_BYTES + 1)
    if not frame:
        return None
    if len(frame) > FRAME_BYTES:
        raise _too_large()
    if not frame.endswith(b"\n"):
        raise ProtocolError("control: the connection ended in the middle of a message")
    return frame


class Client:
    """Speak to a session's supervisor. Connects when first used; threads may share it.

    `timeout` is the longest wait for one response, in seconds.
    """

    def __init__(self, path: str, token: str, *, timeout: float = CLIENT_SECONDS) -> None:
        """Take the socket's path and the token from the session file."""
        self._path = path
        self._token = token
        self._timeout = timeout
        self._lock = threading.Lock()
        self._last = 0
        self._unread = 0  # answers to what was posted
        self._open: tuple[socket.socket, BinaryIO] | None = None

    def __enter__(self) -> Client:  # noqa: PYI034  typing.Self needs Python 3.11
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def call(self, do: str, args: dict[str, Any] | None = None, *, timeout: float | None = None) -> Any:
        """Send a request and return the response's result.

        Raises ProtocolError when the server refuses it, is gone, or doesn't answer in time.
        """
        with self._lock:
            frame = self._frame(do, args)
            response = self._exchange(do, frame, self._timeout if timeout is None else timeout)
            if response.id not in {self._last, 0}:
                self._close()
                raise ProtocolError(f"control: {do}: got the answer to another request")
        if not response.ok:
            raise ProtocolError(f"control: {do}: {response.error}", remedy=response.remedy)
        return response.result

    def post(self, do: str, args: dict[str, Any] | None = None) -> None:
        """Send a request whose answer nobody waits for; a later `call` skips it.

        Raises ProtocolError when the server is gone.
        """
        with self._lock, self._explained(do, self._timeout):
            self._send(self._frame(do, args), self._timeout)
            self._unread += 1

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        with self._lock:
            self._close()

    def _frame(self, do: str, args: dict[str, Any] | None) -> bytes:
        self._last += 1
        return encode(Request(id=self._last, token=self._token, do=do, args=args or {}))

    def _exchange(self, do: str, frame: bytes, timeout: float) -> Response:
        """Send one frame, and read its answer behind those to what was posted."""
        with self._explained(do, timeout):
            stream = self._send(frame, timeout)
            while self._unread:
                decode(Response, read_frame(stream) or b"")
                self._unread -= 1
            return decode(Response, read_frame(stream) or b"")

    @contextlib.contextmanager
    def _explained(self, do: str, timeout: float) -> Iterator[None]:
        """Say what failed. A connection that failed once is never used again."""
        try:
            yield
        except TimeoutError as error:
            self._close()
            raise ProtocolError(f"control: {do}: no answer within {timeout:g} s") from error
        except OSError as error:
            self._close()
            raise ProtocolError(
                f"control: {do}: the supervisor can't be reached: {error.strerror or error}",
                remedy="its session may have ended; run the tests through nox",
            ) from error
        except ProtocolError:
            self._close()
            raise

    def _send(self, frame: bytes, timeout: float) -> BinaryIO:
        """Send one frame; the server hangs up on who was silent for long, and hears a new connection."""
        sock, stream = self._connected(timeout)
        try:
            sock.sendall(frame)
        except BrokenPipeError:
            self._close()
            sock, stream = self._connected(timeout)
            sock.sendall(frame)
        return stream

    def _connected(self, timeout: float) -> tuple[socket.socket, BinaryIO]:
        if self._open is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._open = sock, sock.makefile("rb")
            sock.settimeout(timeout)
            sock.connect(self._path)
        self._open[0].settimeout(timeout)
        return self._open

    def _close(self) -> None:
        for each in self._open or ():
            each.close()
        self._open = None
        self._unread = 0


def _parse(frame: bytes) -> dict[str, Any]:
    if len(frame) > FRAME_BYTES:
        raise _too_large()
    if not frame:
        raise ProtocolError("control: the other side closed the connection")
    try:
        data = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("control: a message that isn't JSON") from error
    if not isinstance(data, dict):
        raise ProtocolError("control: a message that isn't a JSON object")
    if data.get("v") != VERSION:
        raise ProtocolError(
            f"control: a message of version {data.get('v')!r}, and this is version {VERSION}",
            remedy="install the same noxlib on both sides",
        )
    if type(data.get("id")) is not int:
        raise ProtocolError("control: a message whose `id` isn't a number")
    return data


def _check(data: dict[str, Any], kinds: dict[str, type]) -> None:
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):
            raise ProtocolError(f"control: a message whose `{name}` isn't a {kind.__name__}")


def _check_request(do: str, args: dict[str, Any]) -> None:
    if do not in REQUESTS:
        raise ProtocolError(f"control: unknown request {do!r:.80}.{_nearest(do, REQUESTS)}")
    for name, value in args.items():
        if name not in REQUESTS[do]:
            raise ProtocolError(
                f"control: {do}: unknown argument {name!r:.80}.{_nearest(name, REQUESTS[do])}"
            )
        if not isinstance(value, _ARGUMENTS[name]):
            wanted = _ARGUMENTS[name][-1].__name__
            raise ProtocolError(f"control: {do}: the argument `{name}` isn't a {wanted}")


def _nearest(word: str, words: tuple[str, ...] | dict[str, Any]) -> str:
    import difflib  # noqa: PLC0415  only for an error message

    found = difflib.get_close_matches(word, list(words), n=1)
    return f' Did you mean "{found[0]}"?' if found else f" One of: {', '.join(words) or 'none'}"


def _too_large() -> ProtocolError:
    return ProtocolError(f"control: a message of more than {FRAME_BYTES} bytes")
