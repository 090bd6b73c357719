"""Platform -> SessionPlans: names, tags, order, needs. Pure: no file system, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from noxlib.model import Platform, Service, SessionPlan, SuiteSettings

ALL_TYPES = "all-types"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestType:
    """What a test type is, gets, and asks of the machine. One row for each."""

    __test__ = False  # pytest would collect it by its name

    purpose: str
    needs: tuple[str, ...] = ()  # of: postgres, redis, process
    exclusive: bool = False  # measures: nothing else may run on the machine
    measured: bool = True  # its tests run under coverage


TYPES: dict[str, TestType] = {
    "unit": TestType(purpose="the code alone, in random order"),
    "property": TestType(purpose="invariants under generated input"),
    "integration": TestType(purpose="against its own real servers", needs=("postgres", "redis")),
    "e2e": TestType(
        purpose="the running service and all it depends on", needs=("postgres", "redis", "process")
    ),
    "stress": TestType(
        purpose="under load, judged by thresholds",
        needs=("postgres", "redis", "process"),
        exclusive=True,
        measured=False,
    ),
    "race": TestType(purpose="under hostile interleavings", needs=("postgres", "redis"), measured=False),
    "performance": TestType(
        purpose="benchmarks, judged by ceilings",
        needs=("postgres", "redis"),
        exclusive=True,
        measured=False,
    ),
    "chaos": TestType(
        purpose="through faults and recovery", needs=("postgres", "redis", "process"), measured=False
    ),
}


# What runs until ^C, for a person to work with; no suite, no verdict.
STANDING: dict[str, TestType] = {
    "db": TestType(purpose="its migrated, seeded database to work with, until ^C", needs=("postgres",)),
    "up": TestType(
        purpose="the running service and all it depends on to play with, until ^C",
        needs=("postgres", "redis", "process"),
        measured=False,
    ),
}


def sessions(platform: Platform) -> tuple[SessionPlan, ...]:
    """Return every session of the platform: service x enabled type x Python, in services.toml's order."""
    return tuple(
        _session(service, kind, python)
        for service in platform.services.values()
        for kind, settings in service.types.items()
        if settings.enabled
        for python in service.pythons or ("",)
    )


def standing(platform: Platform) -> tuple[SessionPlan, ...]:
    """Return the sessions that stand until ^C: one for each service's database, one for each process."""
    return tuple(
        SessionPlan(
            name=f"{kind}-{service.name}",
            service=service.name,
            type=kind,
            python=service.pythons[0] if service.pythons else "",
            tags=(),
            description=f"{service.name}: {row.purpose}",
            exclusive=False,
        )
        for service in platform.services.values()
        for kind, row in STANDING.items()
        if row.needs[-1] in needs(service, kind)
    )


def measured(kind: str) -> bool:
    """Tell whether a session of this type runs under coverage."""
    return kind in TYPES and TYPES[kind].measured


def suite_settings(service: Service, kind: str) -> SuiteSettings:
    """Return how a type of a service is run; a standing session is open to the machine it stands on."""
    return SuiteSettings(network="open") if kind in STANDING else service.types[kind]


def _session(service: Service, kind: str, python: str) -> SessionPlan:
    suffix = f"-{python}" if len(service.pythons) > 1 else ""
    wants = needs(service, kind)
    servers = [word for word, item in (("PostgreSQL", "postgres"), ("Redis", "redis")) if item in wants]
    if "process" in wants:
        servers.append("its process")
    on = f" on {', '.join(servers)}" if servers else ""
    return SessionPlan(
        name=f"{kind}-{service.name}{suffix}",
        service=service.name,
        type=kind,
        python=python,
        tags=(ALL_TYPES, kind, service.name),
        description=f"{service.name}: {kind} tests{on}: {TYPES[kind].purpose}",
        exclusive=TYPES[kind].exclusive,
    )


def needs(service: Service, kind: str) -> frozenset[str]:
    """Return which resources this type of this service gets: those it wants and the service declares."""
    declared = {
        "postgres": bool(service.postgres),
        "redis": service.redis is not None,
        "process": service.process is not None,
    }
    asked = suite_settings(service, kind).needs
    wanted = (TYPES | STANDING)[kind].needs if asked is None else asked
    return frozenset(item for item in wanted if declared[item])


def started_services(platform: Platform, service: Service, kind: str) -> tuple[Service, ...]:
    """Return the services whose resources a session starts, dependencies first, the service last.

    Dependencies are started only where the service's own process is: nothing else talks to them.
    """
    if "process" not in needs(service, kind):
        return (service,)
    ordered: dict[str, Service] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for dependency in platform.services[name].depends_on:
                visit(dependency)
            ordered[name] = platform.services[name]

    visit(service.name)
    return tuple(ordered.values())


def longest_first(plans: Iterable[SessionPlan], seconds: Mapping[str, float]) -> Sequence[SessionPlan]:
    """Order sessions for `nox -j`: longest first as history knows them, the measuring ones last."""
    return sorted(plans, key=lambda plan: (plan.exclusive, -seconds.get(plan.name, 0.0)))
