"""A closed network, as far as Python can close it, with a message that says what to do.

An audit hook sees every connect, bind and look-up that goes through Python's socket module; drivers
in C don't, and are stopped by the namespace box alone. In a unit session any socket fails the
test; in every other one what leads off this machine is refused like an unreachable network, so that
code which handles that goes on.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import sysconfig
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from noxlib.model import SessionFile
from noxlib.pytest_plugin.progress import relative

_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_EVENTS = _CONNECTIONS | _LOOKUPS | {"socket.bind"}
_FOREIGN = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})

_judge: Guard | None = None  # of the running session; None leaves the hook without effect
_hooked = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS and _judge is not None:
        _judge.judge(event, arguments)


def release() -> None:
    """Open the network. An audit hook can't be removed; ours does nothing from now on."""
    global _judge  # noqa: PLW0603  the hook lives as long as the process
    _judge = None


class Guard:
    """Refuse sockets by the rule of the session's test type."""

    def __init__(self, found: SessionFile, rootpath: Path) -> None:
        """Take the session, and the folder that node ids are relative to."""
        self._plan = found.plan
        self._folder = Path(found.service_folder)
        self._rootpath = rootpath
        self._current = "collection"
        self._attempts: list[str] = []
        self._host = socket.gethostname().lower()

    def pytest_sessionstart(self) -> None:
        """Close the network for this process."""
        global _judge, _hooked  # noqa: PLW0603  the hook lives as long as the process
        if not _hooked:
            sys.addaudithook(_audit)
            _hooked = True
        _judge = self

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Remember which test runs."""
        self._current = relative(item.nodeid, self._rootpath, self._folder)
        self._attempts.clear()
        try:
            return (yield)
        finally:
            self._current = "between two tests"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a unit test whose code swallowed our refusal, or opened the socket in a thread."""
        report = yield
        if self._attempts and not report.failed:
            report.outcome = "failed"
            report.longrepr = "\n".join(each.replace("\n  ", "; ") for each in self._attempts)
            self._attempts.clear()
        return report

    def judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Let an audited call pass, or raise."""
        target = _target(event, arguments)
        if target is None:
            return
        if self._plan.type == "unit":
            if not _plumbing(target):
                self._fail_unit(event, target)
        elif event in _LOOKUPS:
            if not self._is_local_name(target):
                raise socket.gaierror(socket.EAI_AGAIN, self._refusal(f"look up {_shown(target)}"))
        elif event in _CONNECTIONS and _leaves_machine(arguments[0], target):
            raise OSError(errno.ENETUNREACH, self._refusal(f"connect to {_shown(target)}"))

    def _fail_unit(self, event: str, target: Any) -> None:
        verb = event.removeprefix("socket.")
        message = (
            f"{self._current}: a unit test opens no socket: {verb} {_shown(target)}{self._place()}\n"
            f"  to fix it: give the code a fake, move the test to tests/integration, or set "
            f'network = "open" under [services.{self._plan.service}.types.unit]'
        )
        self._attempts.append(message)
        pytest.fail(message, pytrace=False)

    def _refusal(self, what: str) -> str:
        return (
            f"noxlib: {self._current} may not {what}{self._place()}: the network is closed. "
            f'To fix it: use a local server or a recorded cassette, or set network = "open" '
            f"under [services.{self._plan.service}.types.{self._plan.type}]"
        )

    def _is_local_name(self, host: Any) -> bool:
        name = (host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)).lower()
        return (
            name in {"", "localhost", self._host} or name.endswith(".localhost") or _address(name) is not None
        )

    def _place(self) -> str:
        """Return " at file:line" of the nearest caller that is neither library nor ours."""
        frame = sys._getframe(1)  # noqa: SLF001  the documented way to the caller
        while frame is not None:
            name = frame.f_code.co_filename
            if name != __file__ and not name.startswith((*_FOREIGN, "<")):
                return f" at {os.path.relpath(name, self._folder)}:{frame.f_lineno}"
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def _target(event: str, arguments: tuple[Any, ...]) -> Any:
    """Return the host or address of an audited call; None when it needs none."""
    return arguments[0] if event in _LOOKUPS else arguments[1]


def _leaves_machine(sock: socket.socket, target: Any) -> bool:
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    address = _address(str(target[0]))
    if address is None:  # a name: connect() has looked it up in C, out of our sight
        return str(target[0]).lower() not in {"", "localhost"}
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not (mapped.is_loopback or mapped.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _plumbing(target: Any) -> bool:
    """Tell whether multiprocessing talks to its own children, over a Unix socket of its own."""
    if not isinstance(target, (str, bytes)):
        return False
    frame = sys._getframe(2)  # noqa: SLF001  the documented way to the caller
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("multiprocessing."):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _shown(target: Any) -> str:
    if isinstance(target, tuple):
        return ":".join(str(part) for part in target[:2])
    return target.decode(errors="replace") if isinstance(target, bytes) else str(target)
