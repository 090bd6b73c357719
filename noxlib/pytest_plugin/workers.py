"""An xdist worker's own Redis database: gw0 has number 1, gw1 number 2; 0 is the session's."""

from __future__ import annotations

import re
from collections.abc import Generator, Sized
from dataclasses import replace
from pathlib import Path

import pytest

from noxlib.model import Lease, SessionFile
from noxlib.pytest_plugin.progress import Progress, relative
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


class Collection:
    """Note how far a worker's collection is, and why it refuses its arguments: xdist says neither."""

    def __init__(self, found: SessionFile, rootpath: Path) -> None:
        """Take the session, and the folder that node ids are relative to."""
        self._session = found
        self._rootpath = rootpath
        self._progress = Progress(Path(found.run_folder))

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Note the import of a test file: the worker may be gone at its end."""
        if isinstance(collector, pytest.Module):
            self._progress.begun(self._relative(collector.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note its end."""
        self._progress.ended(self._relative(report.nodeid))

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Look at what the collection raises."""
        try:
            return (yield)
        except pytest.UsageError as error:
            self._progress.refused(" ".join(map(str, error.args)))
            raise

    def pytest_unconfigure(self) -> None:
        """Close what was opened."""
        self._progress.close()

    def _relative(self, name: str) -> str:
        return relative(name, self._rootpath, Path(self._session.service_folder))


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
