"""An xdist worker's own Redis database: gw0 has number 1, gw1 number 2; 0 is the session's."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Sized
from dataclasses import replace
from pathlib import Path

import pytest

from noxlib.model import Lease, SessionFile
from noxlib.pytest_plugin.progress import Progress
from noxlib.templates import fill

_WORKER = re.compile(r"gw(\d+)")


def redis_environment(found: SessionFile, worker: str) -> dict[str, str]:
    """Return the variables that lead a worker ("gw0") to its own database; none for "", the session itself.

    Raises pytest.UsageError when the server has no database left for it.
    """
    before = {lease.resource: lease for lease in found.leases}
    environment: dict[str, str] = {}
    for lease in own_redis(found, worker).leases:
        environment |= lease.env if lease is not before[lease.resource] else {}
    return environment


def own_redis(found: SessionFile, worker: str) -> SessionFile:
    """Return the session as a worker sees it: the lease of the service's Redis names its database.

    Where the service's own process runs it stays the session's: tests and process must see the
    same data. Raises pytest.UsageError when the server has no database left for it.
    """
    service, named = found.plan.service, _WORKER.fullmatch(worker)
    if named is None or any(each.resource == f"{service}/process" for each in found.leases):
        return found
    leases = tuple(
        _lease(found, each, worker, int(named[1]) + 1) if each.resource == f"{service}/redis" else each
        for each in found.leases
    )
    return replace(found, leases=leases)


class Refusals:
    """Note on a worker why it refuses its arguments: a path, an expression that makes no sense."""

    def __init__(self, found: SessionFile) -> None:
        """Take the session."""
        self._folder = Path(found.run_folder)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Look at what the collection raises."""
        try:
            return (yield)
        except pytest.UsageError as error:
            with contextlib.closing(Progress(self._folder)) as progress:
                progress.refused(" ".join(map(str, error.args)))
            raise


class Room:
    """Refuse more workers than there are databases, before xdist starts and restarts them in vain."""

    def __init__(self, found: SessionFile) -> None:
        """Take the session."""
        self._session = found

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sized) -> None:
        """Look at the last worker's database."""
        own_redis(self._session, f"gw{len(specs) - 1}")


def _lease(found: SessionFile, lease: Lease, worker: str, number: int) -> Lease:
    databases = int(lease.values["databases"])
    if number >= databases:
        raise pytest.UsageError(
            f"noxlib: {lease.resource} has {databases} databases, and {worker} would need number {number}\n"
            f"  to fix it: run at most {databases - 1} workers "
            f"(workers under [services.{found.plan.service}.types.{found.plan.type}], or -n)"
        )
    values = {**lease.values, "database": str(number)}
    environment = {key: fill(text, values, lease.resource) for key, text in lease.templates.items()}
    return replace(lease, values=values, env=environment)
