"""How a service process shows that it is ready: a connection, an answer, a line of output, a command.

A probe is asked every few milliseconds and never waits longer than a second itself, so that the
process' own death is seen at once.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import shlex
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from noxlib import launch
from noxlib.model import Address
from noxlib.resources import service_command

HEALTHY = range(200, 400)
_STARTING = range(500, 600)  # what servers say while they start
TRY_SECONDS = 5.0  # how long one run of a ready.command may take
PAUSE_SECONDS = 0.1  # between two runs
OUTPUT_LINES = 10
LINE_BYTES = 64 * 1024  # the most of a line that is looked at
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


class Probe(Protocol):
    """One wait for readiness."""

    awaited: str  # what is waited for
    last: str  # what the last try found, "" when there is nothing to say
    advice: str  # what to do about that, "" when only patience may help

    def ready(self) -> bool: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class TcpProbe:
    """Ready when the port accepts a connection."""

    def __init__(self, address: Address) -> None:
        """Take the address; nothing is tried yet."""
        self.awaited = f"a connection to {address.host}:{address.port}"
        self.last = ""
        self.advice = _listen(address)
        self._address = (address.host, address.port)

    def ready(self) -> bool:
        """Try once."""
        try:
            socket.create_connection(self._address, timeout=1.0).close()
        except OSError as error:
            self.last = f"the last try: {type(error).__name__}: {error}"
            return False
        return True

    def close(self) -> None:
        """Have nothing to close."""


class HttpProbe:
    """Ready when GET of a path is answered with a status from 200 to 399."""

    def __init__(self, address: Address, path: str) -> None:
        """Take the address; nothing is tried yet."""
        self.awaited = f"GET http://{address.host}:{address.port}{path}"
        self.last = ""
        self.advice = _listen(address)
        self._address = address
        self._path = path

    def ready(self) -> bool:
        """Try once."""
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=1.0)
        try:
            with contextlib.closing(connection):
                connection.request("GET", self._path)
                status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            self.last = f"the last try: {type(error).__name__}: {error}"
            self.advice = _listen(self._address)
            return False
        self.last = f"the last try: status {status}"
        self.advice = (
            "" if status in _STARTING else f"correct `ready.http`: it answers, but not on {self._path}"
        )
        return status in HEALTHY

    def close(self) -> None:
        """Have nothing to close."""


def _listen(address: Address) -> str:
    return f"have its command listen on {{host}}:{{port}}, here {address.host}:{address.port}"


class LogWatch:
    """Look for a line that matches, in the output of one start: the sink of a process."""

    def __init__(self, pattern: str) -> None:
        """Take a regular expression, which may match anywhere in a line."""
        self.matched = False
        self._pattern = re.compile(pattern)
        self._rest = b""

    def __call__(self, chunk: bytes) -> None:
        """Take what came out next; a line counts when its end has come."""
        if not self.matched:
            *lines, rest = (self._rest + chunk).split(b"\n")
            self._rest = rest[-LINE_BYTES:]
            self.matched = any(self._pattern.search(_plain(line)) for line in lines)


def _plain(line: bytes) -> str:
    return _COLOUR.sub(b"", line.removesuffix(b"\r")).decode(errors="replace")


class LogProbe:
    """Ready when the present start's watch has seen its line."""

    def __init__(self, pattern: str, matched: Callable[[], bool]) -> None:
        """Take what tells whether the line has come; a restart begins a new watch meanwhile."""
        self.awaited = f"a line of its output that matches {pattern!r}"
        self.last = self.advice = ""
        self._matched = matched

    def ready(self) -> bool:
        """Look."""
        return self._matched()

    def close(self) -> None:
        """Have nothing to close."""


class CommandProbe:
    """Ready when a command ends with 0. It runs again and again, each time for at most TRY_SECONDS."""

    def __init__(self, command: Sequence[str], setting: launch.Setting, place: service_command.Place) -> None:
        """Take the command, its templates filled; nothing is started yet."""
        self.awaited = f"`{shlex.join(command)}` to end with exit code 0"
        self.last = self.advice = ""
        self._command = tuple(command)
        self._setting = replace(setting, log=None, sink=self._keep)
        self._place = place
        self._child: launch.Child | None = None
        self._output = bytearray()
        self._next = 0.0  # when the present run must end, or the next may begin

    def ready(self) -> bool:
        """Begin a run, or look how the present one goes.

        Raises ResourceError when the program can't be started.
        """
        now = time.monotonic()
        if self._child is None:
            if now >= self._next:
                self._output.clear()
                self._child = service_command.start(self._command, self._setting, self._place)
                self._next = now + TRY_SECONDS
            return False
        code = self._child.code
        if code is None and now < self._next:
            return False
        self._end()
        how = f"ran longer than {TRY_SECONDS:g} s" if code is None else f"ended {launch.ending(code)}"
        self.last = self._found(how)
        self._next = time.monotonic() + PAUSE_SECONDS
        return code == 0

    def close(self) -> None:
        """End a run that hasn't come to its end."""
        if self._child is not None:
            self._end()
            self.last = self.last or self._found("had not ended yet")

    def _end(self) -> None:
        if self._child is not None:
            self._child.stop(grace=0.0, first=signal.SIGKILL)
            self._child = None

    def _keep(self, chunk: bytes) -> None:
        self._output += chunk
        del self._output[: -launch.TAIL_BYTES]

    def _found(self, how: str) -> str:
        lines = self._output.decode(errors="replace").splitlines()[-OUTPUT_LINES:]
        return "\n".join([f"the last try {how}", *(f"    {line}" for line in lines)])
