"""An external server's address inside the box: on loopback, and on a Unix socket in a private folder."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from noxlib.errors import ResourceError

CHUNK_BYTES = 65536
PORT_TRIES = 10


class Gateway:
    """Listen, and carry the bytes of each client to a connection of its own."""

    def __init__(self, folder: Path, connect: Callable[[], socket.socket]) -> None:
        """Take a folder that is there, and what makes connections to the server."""
        self.folder = folder
        self.port = 0
        self._connect = connect
        self._listeners: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._changing = threading.Lock()

    def listen(self, port: Callable[[], int], place: str) -> None:
        """Listen on the first of the ports that is free. Raises ResourceError."""
        for _ in range(PORT_TRIES):
            self.port = port()
            try:
                self._listeners.append(socket.create_server(("127.0.0.1", self.port)))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        else:
            raise ResourceError(
                f"{place}: port {self.port} is taken",
                remedy="end what listens there, or leave `port` out so that a free one is chosen",
            )
        path = self.folder / f".s.PGSQL.{self.port}"
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(path))
        path.chmod(0o600)
        unix.listen()
        self._listeners.append(unix)
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Listen no more, and cut all connections."""
        with self._changing:
            found = [*self._listeners, *self._open]
            self._listeners.clear()
            self._open.clear()
        for each in found:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            client.close()  # as a server does that isn't there
            return
        with self._changing:
            if not self._listeners:
                client.close()
                server.close()
                return
            self._open |= {client, server}
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()
        with self._changing:
            self._open -= {client, server}
        client.close()
        server.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source's end, then end the target."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
    for each, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            each.shutdown(how)
