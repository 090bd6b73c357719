"""A service's own process as a resource: started, waited for until ready, stopped with its tree."""

from __future__ import annotations

import contextlib
import shlex
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from noxlib import launch
from noxlib.errors import ResourceError
from noxlib.model import Address, Lease, Process
from noxlib.resources import readiness, service_command
from noxlib.templates import fill

POLL_SECONDS = 0.02
TAIL_LINES = 20
# Python buffers what it writes to a pipe: a line would come late, and the last ones never.
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


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
    measured: Mapping[str, str] = field(default_factory=dict)  # what puts it under coverage


class ProcessResource:
    """One service process. It is never restarted by itself: a death during a run is a finding."""

    def __init__(self, order: ProcessOrder) -> None:
        """Take the order; nothing is started yet."""
        self._order = order
        self._child: launch.Child | None = None
        self._killed = False
        self._output_from = 0  # where the present start's output begins in the log
        self._watch: readiness.LogWatch | None = None
        self.name = f"{order.owner}/process"
        address = Address(host="127.0.0.1", port=order.port)
        values = {"host": address.host, "port": str(address.port)}
        self._place = f"services.{order.owner}.process"
        place = f"services.toml: {self._place}"
        known = {**order.values, **values}
        self._command = [fill(word, known, f"{place}.command") for word in order.settings.command]
        self._ready_command = [
            fill(word, known, f"{place}.ready.command") for word in order.settings.ready.command
        ]
        self._setting = launch.Setting(
            cwd=order.service_folder / order.settings.cwd,
            env={**UNBUFFERED, **order.environment},
            redactor=order.redactor,
        )
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
        ready = self._order.settings.ready
        self._watch = readiness.LogWatch(ready.log) if ready.log else None
        self._output_from = self._log_size()
        self._killed = False
        self._child = service_command.start(
            self._command,
            replace(
                self._setting,
                env={**UNBUFFERED, **self._order.environment, **self._order.measured},
                log=self._order.log,
                sink=self._watch,
            ),
            self._places("command"),
        )
        self._order.event("process.started", resource=self.name, pid=self._child.pid)
        try:
            self.wait_healthy(ready.timeout)
        except BaseException:
            self.stop()
            raise
        self._order.event("process.ready", resource=self.name)
        return self.lease

    def wait_healthy(self, timeout: float) -> None:
        """Wait until the process is ready, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with contextlib.closing(self._probe()) as probe:
            while True:
                # Only asked while there is one: of a stopped process a log line says nothing.
                ready = self._child is not None and probe.ready()
                # Looked at last: what answered may be another, or it may have died of being asked.
                code = self._child.code if self._child else None
                if code is not None:
                    raise ResourceError(self._failure(f"ended {launch.ending(code)} before it was ready"))
                if ready:
                    return
                if time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)
        raise ResourceError(
            self._failure(f"was not ready within {timeout:g} s ({probe.awaited})", probe.last),
            remedy=f"{probe.advice}{'; otherwise ' if probe.advice else ''}"
            f"raise {self._place}.ready.timeout, or see the log",
        )

    def death(self, when: str) -> str:
        """Say how it ended by itself; "" while it runs, or when it was stopped or killed on request."""
        code = None if self._child is None or self._killed else self._child.code
        return "" if code is None else self._failure(f"ended {launch.ending(code)} {when}")

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
            self._killed = True
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
                    f"{self._place}: port {self._order.port} is taken",
                    remedy="end what listens there, or leave `port` out so that a free one is chosen",
                ) from error

    def _probe(self) -> readiness.Probe:
        ready = self._order.settings.ready
        if ready.command:
            return readiness.CommandProbe(self._ready_command, self._setting, self._places("ready.command"))
        if ready.log:
            return readiness.LogProbe(ready.log, lambda: self._watch is not None and self._watch.matched)
        if ready.http:
            return readiness.HttpProbe(self.lease.address, ready.http)
        return readiness.TcpProbe(self.lease.address)

    def _places(self, command: str) -> service_command.Place:
        return service_command.Place(command=f"{self._place}.{command}", cwd=f"{self._place}.cwd")

    def _log_size(self) -> int:
        with contextlib.suppress(OSError):
            return self._order.log.stat().st_size
        return 0

    def _failure(self, fault: str, last: str = "") -> str:
        """Return fault, last try, last lines and log; redacted, as the command's values were filled in."""
        if self._child is not None and self._child.code is not None:
            self._child.wait(0.0)  # for its last lines to be in the log
        lines: list[str] = []
        with contextlib.suppress(OSError), self._order.log.open("rb") as stream:
            stream.seek(max(self._output_from, self._log_size() - launch.TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        shown = [
            f"{self._place}: `{shlex.join(self._command)}` {fault}",
            *(f"  {line}" for line in last.splitlines()),
            *(f"    {line}" for line in lines or ["(it wrote nothing)"]),
            f"  log: {self._order.log}",
        ]
        return self._order.redactor.text("\n".join(shown))
