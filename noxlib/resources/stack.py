"""All resources of a session: started in dependency order, stopped in reverse, whatever fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from types import TracebackType

from noxlib import box as boxes
from noxlib import coverage_config, launch, plan, session_environment
from noxlib.box import Box
from noxlib.dsn import ExternalServer
from noxlib.files import cache_folder
from noxlib.model import Lease, Postgres, Process, Redis, Service, Work, from_json
from noxlib.records import Events
from noxlib.resources.control import Controlled, ControlServer
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_user import server_credentials
from noxlib.resources.process import ProcessOrder, ProcessResource
from noxlib.resources.redis import RedisOrder, RedisResource

FIRST_POSTGRES_PORT = 5432
FIRST_REDIS_PORT = 6379
FIRST_PROCESS_PORT = 8000


class Stack:
    """The session's resources by lease name, their leases and the environments made of them."""

    def __init__(self, work: Work, box: Box) -> None:
        """Take the work; `start` starts, leaving the context stops."""
        self._work = work
        self._box = box
        self._running: dict[str, Controlled] = {}
        self._stack = contextlib.ExitStack()
        self._ports = _fixed_ports(work.platform.services.values())
        self._logs = Path(work.run_folder) / "logs"
        self.leases: list[Lease] = []
        self.redactor = launch.Redactor(work.secrets)
        self.events = Events(Path(work.run_folder) / "events.jsonl", self.redactor)
        self.control: ControlServer | None = None
        self.starting = "its control socket"  # what `start` is at

    @property
    def servers(self) -> tuple[str, ...]:
        """Name the servers for the verdict line: "PostgreSQL 15.18 (system)"."""
        servers = (*self._work.postgres.values(), *self._work.redis.values())
        return tuple(dict.fromkeys(f"{each.product} {each.version} ({each.origin})" for each in servers))

    def __enter__(self) -> Stack:  # noqa: PYI034  typing.Self needs Python 3.11
        """Open the audit trail."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self.events.write("box.entered", kind=self._box.kind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, last in first out; one that fails to stop doesn't keep the others alive."""
        try:
            self._stack.close()
        finally:
            self.events.write("box.left")

    def start(self) -> None:
        """Start what the session's type needs, each service's servers before its process."""
        work = self._work
        service = work.platform.services[work.plan.service]
        needed = plan.needs(service, work.plan.type)
        self._open_control()
        for each in plan.started_services(work.platform, service, work.plan.type):
            own = needed if each is service else frozenset({"postgres", "redis", "process"})
            if "postgres" in own:
                for settings in each.postgres:
                    self._start_postgres(each, settings)
            if "redis" in own and each.redis is not None:
                self._start_redis(each, each.redis)
            if "process" in own and each.process is not None:
                self._start_process(each, each.process)

    def pids(self) -> dict[str, int]:
        """Return the pids of what runs now, by lease name."""
        found = {name: getattr(resource, "pid", None) for name, resource in self._running.items()}
        return {name: pid for name, pid in found.items() if pid}

    def deaths(self, when: str) -> tuple[str, ...]:
        """Say which servers and processes have ended by themselves, and how."""
        return tuple(filter(None, (each.death(when) for each in self._running.values())))

    def environment(self, service: Service, *, servers: bool = True) -> dict[str, str]:
        """Return the variables of a service's processes: allow-list, its own leases, its dependencies'.

        Without `servers` for migrations: what they did to another server would be missing when their
        own is next made of its template.
        """
        virtualenv = Path(self._work.environments[service.name].path)
        names = {service.name, *service.depends_on}
        found = session_environment.base(os.environ, self._box, service, virtualenv)
        for lease in self.leases:
            owner = lease.resource.partition("/")[0]
            own = owner == service.name and servers
            if own or (owner in names and lease.kind == "process"):
                found |= lease.env
        return found

    def _open_control(self) -> None:
        path = self._box.folder / "control"
        self.control = self._stack.enter_context(
            ControlServer(path, lambda: self._running, self.events.write)
        )

    def _start_postgres(self, service: Service, settings: Postgres) -> None:
        # testing.postgresql and its driver cost 165 ms, which a session without a server doesn't pay.
        from noxlib.resources.postgres import PostgresResource  # noqa: PLC0415
        from noxlib.resources.postgres_external import ExternalPostgres  # noqa: PLC0415

        port = settings.port or self._port(FIRST_POSTGRES_PORT)
        key = self.starting = f"{service.name}/{settings.name}"
        order = PostgresOrder(
            owner=service.name,
            settings=settings,
            binaries=self._work.postgres[key],
            folder=self._box.folder,
            cache=cache_folder(),
            private_network=self._box.private_network,
            credentials=server_credentials(),
            log=self._logs / f"{service.name}-{settings.name}.log",
            kept=Path(self._work.run_folder) / "kept" / f"{service.name}-{settings.name}.tar",
            service_folder=self._folder(service),
            environment=self.environment(service, servers=False),
            port=port,
            reserve=boxes.free_port,
            event=self.events.write,
            migration_key=self._work.migration_keys.get(key, ""),
            opened=Path(self._work.opened[key]) if key in self._work.opened else None,
        )
        resource = (
            ExternalPostgres(order, from_json(ExternalServer, self._work.external[key]))
            if key in self._work.external
            else PostgresResource(order)
        )
        self._stack.callback(resource.stop)
        lease = resource.start()
        self._hand_out(lease, resource)

    def _start_redis(self, service: Service, settings: Redis) -> None:
        port = settings.port or self._port(FIRST_REDIS_PORT)
        key = self.starting = f"{service.name}/redis"
        resource = RedisResource(
            RedisOrder(
                owner=service.name,
                settings=settings,
                binaries=self._work.redis[key],
                folder=self._box.folder,
                private_network=self._box.private_network,
                log=self._logs / f"{service.name}-redis.log",
                port=port,
                reserve=boxes.free_port,
                event=self.events.write,
            )
        )
        self._stack.callback(resource.stop)
        self._hand_out(resource.start(), resource)

    def _start_process(self, service: Service, settings: Process) -> None:
        private = self._box.private_network
        self.starting = f"{service.name}'s process"
        port = settings.port or (self._port(FIRST_PROCESS_PORT) if private else boxes.free_port())
        environment = {**self.environment(service), **self._of_the_type(service)}
        resource = ProcessResource(
            ProcessOrder(
                owner=service.name,
                settings=settings,
                service_folder=self._folder(service),
                environment=environment,
                values=self._values(service, environment),
                port=port,
                log=self._logs / f"{service.name}.log",
                redactor=self.redactor,
                event=self.events.write,
                measured=self._measured(service),
            )
        )
        self._stack.callback(resource.stop)
        self._hand_out(resource.start(), resource)

    def _port(self, first: int) -> int:
        """Return the next of the standard ports, one that no service has fixed for itself."""
        port = next(port for port in count(first) if port not in self._ports)
        self._ports.add(port)
        return port

    def _of_the_type(self, service: Service) -> Mapping[str, str]:
        """Return the variables that the session's type gives its own service, tests and process alike."""
        if service.name != self._work.plan.service:
            return {}
        return plan.suite_settings(service, self._work.plan.type).env

    def _measured(self, service: Service) -> Mapping[str, str]:
        """Return what puts the service's process under coverage: only the session's own service."""
        if service.name != self._work.plan.service or not plan.measured(self._work.plan.type):
            return {}
        return coverage_config.process_environment(Path(self._work.run_folder) / "coverage" / "rcfile")

    def _values(self, service: Service, environment: Mapping[str, str]) -> dict[str, str]:
        built = self._work.environments[service.name]
        return {
            "root": self._work.root,
            "service": str(self._folder(service)),
            "run_folder": self._work.run_folder,
            "python": built.python,
            "workers": "",
            **{f"ENV:{name}": value for name, value in environment.items()},
        }

    def _hand_out(self, lease: Lease, resource: Controlled) -> None:
        self.redactor.add(lease.secrets)
        self.leases.append(lease)
        self._running[lease.resource] = resource
        self.events.write("lease", resource=lease.resource, via=lease.via, port=lease.address.port)

    def _folder(self, service: Service) -> Path:
        return Path(self._work.root, service.path)


def _fixed_ports(services: Iterable[Service]) -> set[int]:
    parts = [part for each in services for part in (*each.postgres, each.redis, each.process)]
    return {part.port for part in parts if part is not None and part.port is not None}
