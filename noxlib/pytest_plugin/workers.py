"""An xdist worker's own Redis database: gw0 has number 1, gw1 number 2; 0 is the session's."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from noxlib.model import Lease, SessionFile
from noxlib.templates import fill

_WORKER = re.compile(r"gw(\d+)")


def redis_environment(found: SessionFile, worker: str) -> dict[str, str]:
    """Return the variables that lead a worker ("gw0") to its own database; "" is the session itself.

    Raises pytest.UsageError when the server has no database left for it.
    """
    environment: dict[str, str] = {}
    for lease in found.leases:
        if lease.kind == "redis" and lease.resource.startswith(f"{found.plan.service}/"):
            environment |= redis_lease(found, lease, worker).env
    return environment


def redis_lease(found: SessionFile, lease: Lease, worker: str) -> Lease:
    """Return the lease of a server's database that belongs to a worker.

    Where the service's own process runs it is the session's: tests and process must see the same
    data. Raises pytest.UsageError when the server has no database left.
    """
    named = _WORKER.fullmatch(worker)
    service = found.plan.service
    if named is None or any(each.resource == f"{service}/process" for each in found.leases):
        return lease
    number, databases = int(named[1]) + 1, int(lease.values["databases"])
    if number >= databases:
        raise pytest.UsageError(
            f"noxlib: {lease.resource} has {databases} databases, and {worker} would need number {number}\n"
            f"  to fix it: run at most {databases - 1} workers "
            f"(workers under [services.{service}.types.{found.plan.type}], or -n)"
        )
    values = {**lease.values, "database": str(number)}
    environment = {key: fill(text, values, lease.resource) for key, text in lease.templates.items()}
    return replace(lease, values=values, env=environment)
