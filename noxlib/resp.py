"""The little of Redis' protocol that noxlib speaks: PING, INFO, SELECT, AUTH, FLUSHDB, SHUTDOWN.

Standard library only: the pytest plugin imports this module in a service's environment.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO

from noxlib.errors import ResourceError

Reply = str | int | None | list["Reply"]

LINE_BYTES = 64 * 1024
BULK_BYTES = 512 * 1024**2  # proto-max-bulk-len's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a server listens, and what it asks of a client."""

    host: str
    port: int
    password: str = field(default="", repr=False)
    database: int = 0


class ReplyError(ResourceError):
    """The server refused a command, or it doesn't speak Redis' protocol."""


class Connection:
    """One connection. Raises OSError when it can't be had or ends, ReplyError for a refusal."""

    def __init__(self, endpoint: Endpoint, *, timeout: float = 5.0) -> None:
        """Connect, prove ourselves and choose the database; `timeout` seconds for each step."""
        self._socket = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
        self._stream: BinaryIO = self._socket.makefile("rb")
        try:
            if endpoint.password:
                self.call("AUTH", endpoint.password)
            if endpoint.database:
                self.call("SELECT", str(endpoint.database))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Connection:  # noqa: PYI034  typing.Self needs Python 3.11
        """Return the connection itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it; the server forgets it."""
        self._stream.close()
        self._socket.close()

    def call(self, *words: str) -> Reply:
        """Send one command and return its reply."""
        parts = [word.encode() for word in words]
        frame = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), frame))
        return self._reply(words[0])

    def _reply(self, command: str) -> Reply:
        line = self._stream.readline(LINE_BYTES)
        if not line:
            raise ConnectionResetError("the server closed the connection")
        kind, rest = line[:1], line[1:].strip().decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(f"{command}: {rest}")
        if kind in b":$*" and rest.lstrip("-").isdecimal():
            number = int(rest)
            if kind == b":":
                return number
            if number < 0:
                return None
            return self._bulk(number) if kind == b"$" else [self._reply(command) for _ in range(number)]
        raise ReplyError(f"{command}: what answers isn't a Redis server")

    def _bulk(self, size: int) -> str:
        data = self._stream.read(min(size, BULK_BYTES) + 2)
        if len(data) < size + 2:
            raise ConnectionResetError("the server closed the connection")
        return data[:-2].decode(errors="surrogateescape")


def information(connection: Connection, section: str) -> dict[str, str]:
    """Return the fields of one section of INFO."""
    text = str(connection.call("INFO", section))
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
