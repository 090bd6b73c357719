"""A service's own process as a resource: started, waited for until ready, stopped with its tree."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noxlib import launch
from noxlib.errors import NotAvailableYetError, ResourceError
from noxlib.model import Address, Lease, Process
from noxlib.templates import fill

POLL_SECONDS = 0.02
TAIL_LINES = 20
HEALTHY = range(200, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOrder:
    """All that a service's process needs. Paths are absolute."""

    owner: str  # the service's name
    settings: Process
    service_folder: Path
    environment: Mapping[str, str]
    values: Mapping[str, str]  # of templates, beside host and port
    port: int
    log: Path
    redactor: launch.Redactor
    event: Callable[..., None]


class ProcessResource:
    """One service process. It is never restarted by itself: a death during a run is a finding."""

    def __init__(self, order: ProcessOrder) -> None:
        """Take the order; nothing is started yet."""
        self._order = order
        self._child: launch.Child | None = None
        self.name = f"{order.owner}/process"
        address = Address(host="127.0.0.1", port=order.port)
        values = {"host": address.host, "port": str(address.port)}
        place = f"services.toml: services.{order.owner}.process"
        self._command = [
            fill(word, {**order.values, **values}, f"{place}.command") for word in order.settings.command
        ]
        self.lease = Lease(
            resource=self.name,
            kind="process",
            address=address,
            values=values,
            env={key: fill(text, values, f"{place}.env") for key, text in order.settings.env.items()},
        )

    @property
    def pid(self) -> int | None:
        """The process' pid while it runs."""
        return self._child.pid if self._child and self._child.code is None else None

    def start(self) -> Lease:
        """Start it and wait until it is ready.

        Raises ResourceError with its last lines when it dies first or isn't ready in time.
        """
        self._refuse_taken_port()
        self._child = launch.start(
            self._command,
            launch.Setting(
                cwd=self._order.service_folder / self._order.settings.cwd,
                env=self._order.environment,
                log=self._order.log,
                redactor=self._order.redactor,
            ),
        )
        self._order.event("process.started", resource=self.name, pid=self._child.pid)
        try:
            self.wait_healthy(self._order.settings.ready.timeout)
        except BaseException:
            self.stop()
            raise
        self._order.event("process.ready", resource=self.name)
        return self.lease

    def wait_healthy(self, timeout: float) -> None:
        """Wait until the process is ready, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._ready():
            code = self._child.code if self._child else None
            if code is not None:
                raise ResourceError(self._failure(f"ended with exit code {code} before it was ready"))
            if time.monotonic() > deadline:
                raise ResourceError(
                    self._failure(f"was not ready within {timeout:g} s ({self._awaited()})"),
                    remedy=f"raise services.{self._order.owner}.process.ready.timeout, or see the log",
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it with its whole tree: SIGTERM, and SIGKILL after its stop_timeout."""
        if self._child is not None:
            self.resume()
            code = self._child.stop(self._order.settings.stop_timeout)
            self._child = None
            self._order.event("process.stopped", resource=self.name, code=code)

    def kill(self) -> None:
        """SIGKILL it with its whole tree."""
        if self._child is not None:
            self._child.stop(grace=0.0, first=signal.SIGKILL)
            self._order.event("process.killed", resource=self.name)

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP it: it holds its connections and answers nobody."""
        if self._child is not None:
            self._child.send(signal.SIGSTOP)
            self._order.event("process.paused", resource=self.name)

    def resume(self) -> None:
        """SIGCONT it."""
        if self._child is not None:
            self._child.send(signal.SIGCONT)

    def _refuse_taken_port(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", self._order.port))
            except OSError as error:
                raise ResourceError(
                    f"services.{self._order.owner}.process: port {self._order.port} is taken",
                    remedy="end what listens there, or leave `port` out so that a free one is chosen",
                ) from error

    def _ready(self) -> bool:
        ready = self._order.settings.ready
        if ready.log or ready.command:
            raise NotAvailableYetError(
                f"services.{self._order.owner}.process.ready: `log` and `command` are not available yet",
                remedy="use `http` or `tcp`",
            )
        address = self.lease.address
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ready.http is None:
                socket.create_connection((address.host, address.port), timeout=1.0).close()
                return True
            connection = http.client.HTTPConnection(address.host, address.port, timeout=1.0)
            with contextlib.closing(connection):
                connection.request("GET", ready.http)
                return connection.getresponse().status in HEALTHY
        return False

    def _awaited(self) -> str:
        path = self._order.settings.ready.http
        where = f"127.0.0.1:{self._order.port}"
        return f"GET http://{where}{path}" if path else f"a connection to {where}"

    def _failure(self, fault: str) -> str:
        lines: list[Any] = []
        with contextlib.suppress(OSError):
            lines = self._order.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        shown = "".join(f"\n    {line}" for line in lines)
        command = " ".join(self._command)
        log = f"\n  log: {self._order.log}"
        return f"services.{self._order.owner}.process: `{command}` {fault}{shown}{log}"
