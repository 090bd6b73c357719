"""Redis (or Valkey) as a resource: a server in memory, thrown away with its data."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch, resp
from noxlib.box import MARKER
from noxlib.errors import NoxlibError, ResourceError
from noxlib.model import Address, Binaries, Lease, Redis
from noxlib.templates import fill

POLL_SECONDS = 0.003
START_SECONDS = 10.0
STOP_SECONDS = 1.0
ANSWER_SECONDS = 1.0
PORT_TRIES = 10
DATABASES = 64  # 0 is the session's, N + 1 is worker gwN's
TAIL_LINES = 12
_URL_HOST = re.compile(r"^([a-z][a-z0-9+.-]*://)(?=\{host\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOrder:
    """All that a session's server needs. Paths are absolute."""

    owner: str  # the service's name
    settings: Redis
    binaries: Binaries
    folder: Path  # the box's
    private_network: bool
    log: Path
    reserve: Callable[[], int]  # a free port, when the network is shared
    event: Callable[..., None]
    port: int = 6379  # in a private network

    @property
    def place(self) -> str:
        """Where services.toml speaks of the server, for errors."""
        return f"services.toml: services.{self.owner}.redis"


class PortTakenError(ResourceError):
    """Somebody else listens on the port."""


class RedisResource:
    """A session's own Redis. It is never restarted by itself: a death during a run is a finding."""

    def __init__(self, order: RedisOrder) -> None:
        """Take the order; nothing is started yet."""
        self._order = order
        self._child: launch.Child | None = None
        self._folder: Path | None = None
        self._port = 0
        self._said = bytearray()
        self.name = f"{order.owner}/redis"
        asked = order.settings.auth == "password" or (
            order.settings.auth == "auto" and not order.private_network
        )
        self._password = secrets.token_urlsafe(24) if asked else ""

    @property
    def pid(self) -> int | None:
        """The server's pid while it runs."""
        return self._child.pid if self._child and self._child.code is None else None

    def alive(self) -> bool:
        """Tell whether the server runs."""
        return self.pid is not None

    def death(self, when: str) -> str:
        """Say how the server ended by itself; "" while it runs, or when it was killed on request."""
        code = self._child.wait(0.0) if self._child else None
        return "" if code is None else self._failure(f"ended {launch.ending(code)} {when}").message

    def start(self) -> Lease:
        """Start the server, wait until it answers, and return the lease. Raises ResourceError."""
        self._refuse_unreachable()
        self._folder = Path(tempfile.mkdtemp(prefix="redis", dir=self._order.folder))
        for port in self._ports():
            try:
                self._boot(port)
            except PortTakenError as error:
                taken: NoxlibError = error
            else:
                return self._lease()
        raise ResourceError(
            f"{self._order.place}: port {port} is taken\n{taken.message}",
            remedy="end what listens there, or leave `port` out so that a free one is chosen",
        ) from taken

    def stop(self) -> None:
        """End the server; its data is thrown away."""
        if self._child is None:
            return
        child = self._child
        if child.code is None:
            child.send(signal.SIGCONT)  # a paused server would not hear us
            self._shut_down(child)
        self._end(child)
        self._order.event("redis.stopped", resource=self.name)

    def kill(self) -> None:
        """SIGKILL the server: all data is gone. `restart` brings it back empty."""
        self._end(self._running())
        self._order.event("redis.killed", resource=self.name)

    def restart(self) -> None:
        """Start the server on the same port, after an orderly stop if it runs; it comes back empty."""
        if self._folder is None:
            raise self._not_running()
        self.stop()
        self._boot(self._port)

    def pause(self) -> None:
        """SIGSTOP the server: connections stay open, nothing answers."""
        self._running().send(signal.SIGSTOP)
        self._order.event("redis.paused", resource=self.name)

    def resume(self) -> None:
        """SIGCONT the server."""
        self._running().send(signal.SIGCONT)
        self._order.event("redis.resumed", resource=self.name)

    def wait_healthy(self, timeout: float) -> None:
        """Wait until our own server answers PING, at most `timeout` seconds."""
        child = self._running()
        deadline = time.monotonic() + timeout
        while True:
            left = max(deadline - time.monotonic(), POLL_SECONDS)
            try:
                # A stranger on our port may accept and say nothing.
                with self._connection(min(left, ANSWER_SECONDS)) as connection:
                    connection.call("PING")
                    pid = resp.information(connection, "server").get("process_id")
                if pid == str(child.pid):
                    return
                answer = f"process {pid} answers there, and ours is {child.pid}"
            except (OSError, resp.ReplyError) as error:
                answer = str(error)
            if child.code is not None:
                child.wait()  # until the log's pump has read the reason
                raise self._failure(f"ended with exit code {child.code}")
            if time.monotonic() > deadline:
                raise self._failure(f"didn't answer within {timeout:g} s ({answer})")
            time.sleep(POLL_SECONDS)

    # --- starting ---------------------------------------------------------------------------

    def _refuse_unreachable(self) -> None:
        """Refuse variables that lead to a server which they give no password for."""
        templates = self._templates()
        if self._password and templates and not any("{password}" in text for text in templates.values()):
            raise ResourceError(
                f"{self._order.place}.env: no variable holds {{password}}, and the server of a guarded box "
                "asks for one",
                remedy="add one (it is empty where none is asked for), or a URL such as "
                '"redis://{host}:{port}/{database}"; or set auth = "trust"',
            )

    def _ports(self) -> Iterator[int]:
        fixed = self._order.settings.port or (self._order.port if self._order.private_network else 0)
        if fixed:
            yield fixed
            return
        for _ in range(PORT_TRIES):
            yield self._order.reserve()

    def _boot(self, port: int) -> None:
        order = self._order
        self._port = port
        self._said.clear()
        # The configuration goes in by a pipe: a password in it never lies on a disk or in an argv.
        self._child = child = launch.start(
            [str(Path(order.binaries.bin_dir, order.binaries.program)), "-"],
            launch.Setting(
                cwd=self._folder,
                env=_environment(),
                log=order.log,
                sink=self._hear,
                stdin=launch.PIPE,
            ),
        )
        try:
            with contextlib.suppress(BrokenPipeError), child.stdin as stdin:
                stdin.write(self._configuration().encode())
            self.wait_healthy(START_SECONDS)
        except BaseException:
            self._end(child)
            raise
        order.event("redis.started", resource=self.name, pid=child.pid, port=port)

    def _configuration(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self._port}",
            f"unixsocket {self._socket}",
            "unixsocketperm 700",
            f"pidfile {self._folder}/redis.pid",  # box.py finds the server by it
            f"databases {DATABASES}",
            'save ""',
            "appendonly no",
            "daemonize no",
            *([f"requirepass {self._password}"] if self._password else []),
        ]
        return "\n".join([*lines, ""])

    @property
    def _socket(self) -> str:
        return str(self._folder / "redis.sock") if self._folder else ""

    def _connection(self, timeout: float) -> resp.Connection:
        endpoint = resp.Endpoint(host="127.0.0.1", port=self._port, password=self._password)
        return resp.Connection(endpoint, timeout=timeout)

    def _hear(self, chunk: bytes) -> None:
        self._said.extend(chunk)
        del self._said[: -launch.TAIL_BYTES]

    def _failure(self, what: str) -> ResourceError:
        lines = self._said.decode(errors="replace").splitlines()[-TAIL_LINES:]
        shown = "".join(f"\n    {line}" for line in lines)
        kind = PortTakenError if b"Address already in use" in self._said else ResourceError
        product = f"{self._order.binaries.product} {self._order.binaries.version}"
        return kind(f"{self.name}: {product} {what}{shown}\n  log: {self._order.log}")

    def _running(self) -> launch.Child:
        if self._child is None:
            raise self._not_running()
        return self._child

    def _not_running(self) -> ResourceError:
        return ResourceError(f"{self.name} isn't running: it wasn't started, or was killed or stopped")

    def _shut_down(self, child: launch.Child) -> None:
        """Order an end at once: SIGTERM would wait for the server's next tick, up to 100 ms."""
        try:
            with self._connection(STOP_SECONDS) as connection:
                connection.call("SHUTDOWN", "NOSAVE")
        except ConnectionResetError:
            child.wait(STOP_SECONDS)  # it obeys by hanging up
        except (OSError, resp.ReplyError):
            pass  # a test may have changed the password, or hung the server: SIGKILL does as well

    def _end(self, child: launch.Child) -> None:
        """SIGKILL what still runs of it: a fork that saves is of its process group."""
        child.send(signal.SIGKILL)
        child.wait()
        self._child = None

    # --- the lease --------------------------------------------------------------------------

    def _templates(self) -> dict[str, str]:
        """Return the variables' templates; a URL that names no user gets the password by itself."""
        given = self._order.settings.env
        if not self._password:
            return dict(given)
        return {key: _URL_HOST.sub(r"\1:{password}@", text) for key, text in given.items()}

    def _lease(self) -> Lease:
        address = Address(host="127.0.0.1", port=self._port, socket_folder=str(self._folder))
        values = {
            "host": address.host,
            "port": str(address.port),
            "database": "0",
            "databases": str(DATABASES),
            "password": self._password,
            "socket": self._socket,
        }
        templates = self._templates()
        return Lease(
            resource=self.name,
            kind="redis",
            address=address,
            values=values,
            templates=templates,
            env={
                key: fill(text, values, f"{self._order.place}.env.{key}") for key, text in templates.items()
            },
            secrets=(self._password,) if self._password else (),
        )


def _environment() -> dict[str, str]:
    """Return the little that a server needs, whatever the caller's shell holds."""
    return {"LC_ALL": "C", **{name: os.environ[name] for name in ("PATH", MARKER) if name in os.environ}}
