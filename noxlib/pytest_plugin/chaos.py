"""`noxlib_chaos`: faults for resources that the test didn't start, through the control socket."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from noxlib import protocol
from noxlib.model import SessionFile

T = TypeVar("T")


class Target:
    """One resource, by its lease's name."""

    def __init__(self, client: protocol.Client, kind: str, resource: str) -> None:
        """Speak about `resource` ("cs1/postgres") of a kind (postgres, redis, process)."""
        self._client = client
        self._kind = kind
        self.resource = resource

    def kill(self) -> None:
        """SIGKILL it with all its processes."""
        self._do("kill")

    def restart(self) -> None:
        """Start it again on the same data and port, after an orderly stop if it runs; Redis is empty."""
        self._do("restart")

    start = restart

    def stop(self) -> None:
        """Stop a service process in an orderly way."""
        self._do("stop")

    def pause(self) -> None:
        """SIGSTOP it: connections stay open, nothing answers."""
        self._do("pause")

    def resume(self) -> None:
        """SIGCONT it."""
        self._do("resume")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it for the length of a block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def _do(self, verb: str) -> None:
        self._client.call(f"{self._kind}.{verb}", {"resource": self.resource})


class Chaos:
    """The faults of one session."""

    def __init__(self, session: SessionFile, client: protocol.Client) -> None:
        """Take the session, whose leases are the resources there are."""
        self._session = session
        self._client = client

    @property
    def postgres(self) -> Target:
        """The service's first PostgreSQL server."""
        return self._find("postgres", lambda name: name.startswith(f"{self._session.plan.service}/"))

    @property
    def redis(self) -> Target:
        """The service's Redis server, which keeps its data in memory alone."""
        return self._find("redis", lambda name: name.startswith(f"{self._session.plan.service}/"))

    def process(self, service: str | None = None) -> Target:
        """Find a service's process; the session's own service unless another is named."""
        return self._find("process", lambda name: name == f"{service or self._session.plan.service}/process")

    def wait_healthy(self, timeout: float = 10.0) -> None:
        """Wait until every resource answers."""
        self._client.call(protocol.RESOURCE_WAIT, {"timeout": timeout}, timeout=timeout + 5.0)

    @staticmethod
    def eventually(check: Callable[[], T], *, within: float = 5.0, every: float = 0.05) -> T:
        """Call `check` until it neither raises nor returns False, and return what it returned.

        Fails with the last error after `within` seconds.
        """
        deadline = time.monotonic() + within
        while True:
            last = "the check returned False"
            try:
                found = check()
            except Exception as error:  # noqa: BLE001  not yet recovered
                last = f"{type(error).__name__}: {error}"
            else:
                if found is not False:
                    return found
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within:g} s: {last}")
            time.sleep(every)

    def _find(self, kind: str, fits: Callable[[str], bool]) -> Target:
        names = [lease.resource for lease in self._session.leases if lease.kind == kind]
        found = next((name for name in names if fits(name)), None)
        if found is None:
            pytest.fail(f"this session has no such {kind}; it has: {', '.join(names) or 'none'}")
        return Target(self._client, kind, found)
