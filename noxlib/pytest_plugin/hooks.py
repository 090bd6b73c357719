"""What pytest calls inside a noxlib session: take it, close the network, collect the outcomes."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from noxlib.model import SessionFile
from noxlib.pytest_plugin import fixtures, guard, properties, session
from noxlib.pytest_plugin.outcomes import Outcomes


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    """Load hypothesis' profile ahead of the project's conftest.py, which may choose its own."""
    found = session.read()
    if found.plan.type == "property":
        properties.load_profile(found)
    yield


def pytest_configure(config: pytest.Config) -> None:
    """Register all that a session needs, unless a pytest above this one serves it."""
    if not session.take(config):
        return
    found = session.read()
    config.stash[session.SESSION] = found
    config.pluginmanager.register(fixtures, "noxlib-fixtures")
    config.pluginmanager.register(Header(found), "noxlib-header")
    if found.network == "closed":
        config.pluginmanager.register(guard.Guard(found, config.rootpath), "noxlib-guard")
    if not session.is_worker(config):
        config.pluginmanager.register(Outcomes(found, config.rootpath), "noxlib-outcomes")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Open the network again and give the session back."""
    if session.SESSION not in config.stash:
        return
    guard.release()
    if not session.is_worker(config):
        session.release()


class Header:
    """One line about the session, without secrets."""

    def __init__(self, found: SessionFile) -> None:
        """Keep the session."""
        self._session = found

    def pytest_report_header(self) -> str:
        """Name the session, its box and its leases."""
        found = self._session
        leases = ", ".join(lease.resource for lease in found.leases) or "none"
        return f"noxlib: {found.plan.name}, {found.box} box, network {found.network}, leases: {leases}"
