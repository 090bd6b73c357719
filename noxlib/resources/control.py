"""The control socket's server: what tests may ask of the resources that they didn't start."""

from __future__ import annotations

import contextlib
import secrets
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, cast

from noxlib import protocol
from noxlib.errors import NoxlibError, ProtocolError
from noxlib.model import Lease, to_json
from noxlib.protocol import Request, Response

MAX_CLIENTS = 64


class Controlled(Protocol):
    """What every resource can be told."""

    def kill(self) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102
    def restart(self) -> object: ...  # noqa: D102
    def pause(self) -> None: ...  # noqa: D102
    def resume(self) -> None: ...  # noqa: D102
    def wait_healthy(self, timeout: float) -> None: ...  # noqa: D102
    def death(self, when: str) -> str: ...  # noqa: D102


class Databases(Protocol):
    """What a database server can be asked for."""

    def acquire(self) -> Lease: ...  # noqa: D102
    def release(self, database: str, *, failed: bool = False) -> None: ...  # noqa: D102


Held = set[tuple[str, str]]  # resource and database


class ControlServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serve the control socket in a private folder, one thread for each client."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CLIENTS

    def __init__(
        self, path: Path, resources: Callable[[], Mapping[str, Controlled]], event: Callable[..., None]
    ) -> None:
        """Listen at `path`; `resources` tells what runs now, by lease name."""
        super().__init__(str(path), _Handler)
        path.chmod(0o600)
        self.token = secrets.token_urlsafe(32)
        self._resources = resources
        self._event = event
        self._doing = threading.Lock()
        self._places = threading.BoundedSemaphore(MAX_CLIENTS)

    def __enter__(self) -> ControlServer:  # noqa: PYI034  typing.Self needs Python 3.11
        """Serve from now on."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Refuse a client too many: a flood must not eat the supervisor's threads."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the client's place back when it leaves."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about a client that left in the middle: it isn't the session's fault."""

    def answer(self, request: Request, held: Held) -> Response:
        """Do what is asked and answer; a NoxlibError becomes its text and remedy.

        `held` are the databases of this client, which it may lose by closing its connection.
        """
        if not request.authentic(self.token):
            return Response(id=request.id, ok=False, error="wrong token", remedy="use the session file's")
        try:
            return Response(id=request.id, result=self._do(request, held))
        except NoxlibError as error:
            return Response(id=request.id, ok=False, error=error.message, remedy=error.remedy)

    def give_back(self, held: Held) -> None:
        """Take back what a client held that has left."""
        resources = self._resources()
        for name, database in held:
            with contextlib.suppress(KeyError):
                cast(Databases, resources[name]).release(database)
        held.clear()

    def _do(self, request: Request, held: Held) -> Any:
        resources = self._resources()
        if request.do == protocol.PING:
            return {"resources": sorted(resources)}
        if request.do == protocol.RESOURCE_WAIT:
            return self._wait(request, resources)
        kind, _, verb = request.do.partition(".")
        name = request.args.get("resource", "")
        found = resources.get(name)
        if kind == "database" and hasattr(found, "acquire"):
            return self._database(request, name, cast(Databases, found), held)
        if found is None or kind != name.partition("/")[2].partition(".")[0]:
            raise _no_such(kind, name, resources)
        self._event(f"control.{request.do}", resource=name)
        with self._doing:
            getattr(found, {"start": "restart"}.get(verb, verb))()
        return None

    @staticmethod
    def _database(request: Request, name: str, server: Databases, held: Held) -> Any:
        if request.do == protocol.DATABASE_ACQUIRE:
            lease = server.acquire()
            held.add((name, lease.values["database"]))
            return to_json(lease)
        database = str(request.args.get("database", ""))
        if (name, database) not in held:
            raise ProtocolError(f"this client holds no database {database!r} of {name}")
        held.remove((name, database))
        server.release(database, failed=request.args.get("failed") is True)
        return None

    @staticmethod
    def _wait(request: Request, resources: Mapping[str, Controlled]) -> None:
        name = request.args.get("resource")
        timeout = float(request.args.get("timeout", 10.0))
        if name not in {None, *resources}:
            raise _no_such("", str(name), resources)
        for key, resource in resources.items():
            if name in {None, key}:
                resource.wait_healthy(timeout)


def _no_such(kind: str, name: str, resources: Mapping[str, Controlled]) -> ProtocolError:
    return ProtocolError(
        f"no {f'{kind} ' if kind else ''}resource {name!r} in this session",
        remedy=f"one of: {', '.join(sorted(resources))}",
    )


class _Handler(socketserver.StreamRequestHandler):
    server: ControlServer
    timeout = protocol.CLIENT_SECONDS

    def handle(self) -> None:
        held: Held = set()
        try:
            while (frame := protocol.read_frame(cast(BinaryIO, self.rfile))) is not None:
                self.wfile.write(protocol.encode(self.server.answer(protocol.decode(Request, frame), held)))
                # A test may take its time with a database.
                self.connection.settimeout(None if held else protocol.CLIENT_SECONDS)
        except ProtocolError as error:
            # What follows nonsense can't be trusted to begin at a frame.
            self.wfile.write(protocol.encode(Response(id=0, ok=False, error=error.message)))
        finally:
            self.server.give_back(held)
