"""What pytest calls inside a noxlib session: take it, close the network, collect the outcomes."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from noxlib.errors import ProtocolError
from noxlib.model import SessionFile
from noxlib.pytest_plugin import benchmarks, databases, fixtures, guard, properties, session, stacks, workers
from noxlib.pytest_plugin.outcomes import Outcomes
from noxlib.pytest_plugin.progress import Selection

# pytest only warns of an assertion that failed in a thread, or of a test that returns its result.
HIDDEN_FAILURES = (
    "error::pytest.PytestUnhandledThreadExceptionWarning",
    "error::pytest.PytestReturnNotNoneWarning",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Prepare what the project's conftest.py may look at already: variables, hypothesis' profile."""
    found = session.read()
    if found.plan.type == "property":
        properties.load_profile(found)
    lender = early_config.stash[databases.DATABASES] = databases.Databases(found)
    worker = os.environ.get(databases.WORKER, "")
    if worker and session.take_worker(worker):
        try:
            found = databases.give_worker_its_own(found, lender)
        except ProtocolError as error:
            raise pytest.UsageError(f"noxlib: no database for this worker: {error}") from error
        os.environ.update(workers.redis_environment(found, worker))
        found = workers.own_redis(found, worker)
    early_config.stash[session.SESSION] = found
    yield


def pytest_configure(config: pytest.Config) -> None:
    """Register all that a session needs, unless a pytest above this one serves it."""
    found = config.stash[session.SESSION]
    if not session.take(config):
        del config.stash[session.SESSION]
        return
    stacks.register(found)
    # First, and so the weakest: what the project's own configuration says of them counts.
    config.getini("filterwarnings")[:0] = HIDDEN_FAILURES
    benchmarks.keep_out(config)
    config.pluginmanager.register(fixtures, "noxlib-fixtures")
    config.pluginmanager.register(Header(found), "noxlib-header")
    config.pluginmanager.register(databases.Reports(found), "noxlib-databases")
    config.pluginmanager.register(Selection(found, config.rootpath), "noxlib-selection")
    if found.network == "closed":
        config.pluginmanager.register(guard.Guard(found, config.rootpath), "noxlib-guard")
    if session.is_worker(config):
        config.pluginmanager.register(workers.Collection(found, config.rootpath), "noxlib-workers")
    else:
        config.pluginmanager.register(Outcomes(found, config.rootpath), "noxlib-outcomes")
        config.pluginmanager.register(workers.Room(found), "noxlib-workers")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Open the network again and give the session back."""
    if session.SESSION not in config.stash:
        return
    guard.release()
    config.stash[databases.DATABASES].close()
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
