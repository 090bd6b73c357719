"""The closed network, as Python sees it: a socket that a test may not open fails it by name.

In a namespace box the kernel refuses the outside anyway; there this gives the clear message.
An audit hook can't be removed, so it looks at one module variable, empty outside of a session.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from noxlib.model import SessionFile

_EVENTS = frozenset({"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"})
_LOCAL_NAMES = frozenset({"", "localhost", "0.0.0.0", "::"})  # noqa: S104  names, nothing is bound
_active: Guard | None = None
_hooked = False


class Guard:
    """Know the test that runs now, and refuse what its type may not do."""

    def __init__(self, session: SessionFile, rootpath: Path) -> None:
        """Close the network from now on."""
        global _active, _hooked  # noqa: PLW0603  an audit hook has no other home
        self._session = session
        self._rootpath = rootpath
        self._test = "collection"
        _active = self
        if not _hooked:
            _hooked = True
            sys.addaudithook(_audit)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Remember whose sockets they are."""
        self._test = item.nodeid
        try:
            return (yield)
        finally:
            self._test = "collection"

    def judge(self, event: str, address: Any) -> None:
        """Fail the test if it may not use this address."""
        if isinstance(address, (str, bytes)):
            # multiprocessing's own listeners: processes of one test that speak to each other.
            name = address if isinstance(address, str) else address.decode(errors="replace")
            if event == "socket.getaddrinfo":
                self._host(event, name)
            elif self._session.plan.type == "unit" and "listener-" not in name:
                self._refuse(event, name)
        elif isinstance(address, tuple) and address:
            self._host(event, str(address[0]))

    def _host(self, event: str, host: str) -> None:
        if self._session.plan.type == "unit" or not _is_local(host):
            self._refuse(event, host)

    def _refuse(self, event: str, where: str) -> None:
        kind = self._session.plan.type
        if kind == "unit":
            remedy = "a unit test opens no socket: move it to tests/integration"
        else:
            remedy = f'the outside is closed: use a fake or a cassette, or set types.{kind}.network = "open"'
        pytest.fail(f"{self._test}: {event}({where!r})\n  {remedy}", pytrace=False)


def release() -> None:
    """Open the network again: the hook stays, and looks away."""
    global _active  # noqa: PLW0603  as above
    _active = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _active is not None and event in _EVENTS:
        _active.judge(event, arguments[0 if event == "socket.getaddrinfo" else 1])


def _is_local(host: str) -> bool:
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
