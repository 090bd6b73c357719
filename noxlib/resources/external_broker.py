"""The way out of the box to one external server, and nowhere else: a process that stays outside.

A box has no network but its own. What is in it asks over one inherited socket, and the broker hands
in a connection to the one server that was allowed: a socket keeps the network that it was made in.
The broker also shows that the session lives, and drops what the session has made when that socket
closes: after a clean end, and after SIGKILL of the supervisor or of nox.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from noxlib import launch, session_environment
from noxlib.dsn import ExternalServer
from noxlib.model import Work, from_json, to_json
from noxlib.resources import external_databases, postgres_sql
from noxlib.resources.external_server import CONNECT_SECONDS, connection_to

END_SECONDS = 20.0
HOLD_SECONDS = 2.0
GIVEN, REFUSED = b"+", b"-"
_MESSAGE_BYTES = 512


# --- nox's side -----------------------------------------------------------------------------


@contextlib.contextmanager
def brokers(work: Work) -> Iterator[tuple[Work, list[int]]]:
    """Start a broker for each external server; give the work with its channels, and what to hand down.

    The list is emptied by whoever has handed its file descriptors down and closed them. On the way out
    wait until the brokers have cleaned up, and say what they couldn't.
    """
    started: list[tuple[str, launch.Child]] = []
    channels: list[int] = []
    external = {}
    try:
        for number, (key, server) in enumerate(sorted(work.external.items())):
            inner, outer = socket.socketpair()
            prefix = external_databases.prefix(Path(work.run_folder).name, number)
            channels.append(inner.detach())
            external[key] = replace(server, prefix=prefix, channel=channels[-1])
            with outer:
                started.append((key, _start(external[key], outer.fileno(), _log(work, key))))
        yield replace(work, external=external), channels
    finally:
        close(channels)
        for key, child in started:
            if child.wait(END_SECONDS) != 0:
                child.stop(grace=0.0)
                print(f"{key}: not all databases could be dropped; the next run tries: {_log(work, key)}")


def close(channels: list[int]) -> None:
    """Let go of our ends: a broker ends when nobody holds one."""
    while channels:
        os.close(channels.pop())


def _log(work: Work, key: str) -> Path:
    return Path(work.run_folder) / "logs" / f"{key.replace('/', '-')}-external.log"


def _start(server: ExternalServer, channel: int, log: Path) -> launch.Child:
    environment = session_environment.supervisor(os.environ, ())
    child = launch.start(
        [sys.executable, "-m", "noxlib.resources.external_broker"],
        launch.Setting(
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=launch.PIPE,
            pass_fds=(channel,),
            log=log,
            redactor=launch.Redactor(server.secrets),
        ),
    )
    # Not by argument or variable: `ps` shows both.
    with child.stdin as stream:
        stream.write(json.dumps(to_json(replace(server, channel=channel))).encode())
    return child


# --- the box's side -------------------------------------------------------------------------


class Channel:
    """Ask the broker for connections."""

    def __init__(self, descriptor: int) -> None:
        """Take the inherited end; no child of ours may have it."""
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._asking = threading.Lock()

    def connect(self) -> socket.socket:
        """Return a connection to the server. Raises OSError."""
        with self._asking:
            self._socket.sendall(b"?")
            said, descriptors, *_ = socket.recv_fds(self._socket, _MESSAGE_BYTES, 1)
        if not descriptors:
            raise ConnectionError(
                said[1:].decode(errors="replace") or "the way to the external server is gone"
            )
        return socket.socket(fileno=descriptors[0])

    def close(self) -> None:
        """Tell the broker that the session is over."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


# --- the broker -----------------------------------------------------------------------------


@dataclass(slots=True)
class Keeper:
    """Show that the session lives, by a lock that a connection of our own holds."""

    server: ExternalServer
    _open: contextlib.ExitStack
    _connection: Any = None

    def hold(self) -> None:
        """Have the lock; take it again when the server was restarted. Raises what pg8000 raises."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.run("SELECT 1")
                return
            self._open.close()
            self._connection = None
        connected = postgres_sql.connected(connection_to(self.server), CONNECT_SECONDS)
        connection = self._open.enter_context(connected)
        external_databases.hold(connection, self.server.prefix)
        self._connection = connection


def main() -> int:
    """Serve until nobody holds the other end; exit 0 when nothing is left on the server."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    server = from_json(ExternalServer, json.loads(sys.stdin.buffer.read()))
    with contextlib.ExitStack() as stack, socket.socket(fileno=server.channel) as channel:
        keeper = Keeper(server, stack)
        threading.Thread(target=_remove_lost, args=(server,), daemon=True).start()
        while _asked(channel, keeper):
            _answer(channel, keeper)
        return _remove(server)


def _asked(channel: socket.socket, keeper: Keeper) -> bool:
    """Wait for a request; meanwhile see to it that a server that was restarted knows of the session."""
    while True:
        channel.settimeout(HOLD_SECONDS)
        try:
            return bool(channel.recv(1))
        except TimeoutError:
            with contextlib.suppress(Exception):  # the server is away: next time
                keeper.hold()
        except ConnectionError:
            return False


def _answer(channel: socket.socket, keeper: Keeper) -> None:
    try:
        keeper.hold()
        made = socket.create_connection((keeper.server.host, keeper.server.port), CONNECT_SECONDS)
    except Exception as error:  # noqa: BLE001  said to whoever asked
        channel.send((REFUSED + postgres_sql.said(error).encode())[:_MESSAGE_BYTES])
        return
    with made:
        made.settimeout(None)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socket.send_fds(channel, [GIVEN], [made.fileno()])


def _remove_lost(server: ExternalServer) -> None:
    # Another session may do the same at this moment.
    with contextlib.suppress(Exception), _connected(server) as connection:
        external_databases.remove_lost(connection)


def _remove(server: ExternalServer) -> int:
    try:
        with _connected(server) as connection:
            left = external_databases.remove(connection, server.prefix)
    except Exception as error:  # noqa: BLE001  the server may be gone, and all databases with it
        left = [postgres_sql.said(error)]
    for line in left:
        print(line, flush=True)
    return 1 if left else 0


def _connected(server: ExternalServer) -> contextlib.AbstractContextManager[Any]:
    return postgres_sql.connected(connection_to(server), CONNECT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
