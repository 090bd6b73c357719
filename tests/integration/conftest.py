"""Orders for real PostgreSQL servers, whose templates are built once for all tests; the plugin in a pytest."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from noxlib import launch
from noxlib.box import free_port
from noxlib.model import Binaries, Lease, Postgres, SessionFile, SessionPlan, SuiteSettings, to_json
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres import PostgresOrder, PostgresResource, server_credentials


def eventually(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Tell whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


class Trail(list[tuple[str, dict[str, Any]]]):
    """An audit trail in memory."""

    def __call__(self, name: str, **facts: Any) -> None:
        self.append((name, facts))

    def names(self) -> list[str]:
        return [name for name, _ in self]


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture(scope="session")
def postgres_cache() -> Iterator[Path]:
    with _reachable("nxc") as folder:
        yield folder


@pytest.fixture
def box_folder() -> Iterator[Path]:
    with _reachable("nxb") as folder:
        yield folder


class _reachable:  # noqa: N801  used as a function
    """A short folder that the server's user can pass through: pytest's own are for its user alone."""

    def __init__(self, prefix: str) -> None:
        shm = Path("/dev/shm")
        base = shm if os.access(shm, os.W_OK) else None
        self._path = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        self._path.chmod(0o711)

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path)


@pytest.fixture(scope="session")
def binaries(postgres_cache: Path) -> Binaries:
    return find_binaries(Postgres(), "services.toml: services.a.postgres", postgres_cache, print)


@pytest.fixture
def postgres_order(
    box_folder: Path, tmp_path: Path, postgres_cache: Path, binaries: Binaries, trail: Trail
) -> Callable[..., PostgresOrder]:
    """Make an order; keywords are fields of the order, or of the settings."""

    def make(**changes: Any) -> PostgresOrder:
        names = Postgres.__dataclass_fields__
        settings = {key: changes.pop(key) for key in list(changes) if key in names and key != "port"}
        if "fixed_port" in changes:
            settings["port"] = changes.pop("fixed_port")
        defaults: dict[str, Any] = {
            "owner": "a",
            "settings": Postgres(**settings),
            "binaries": binaries,
            "folder": box_folder,
            "cache": postgres_cache,
            "private_network": True,
            "credentials": server_credentials(),
            "log": tmp_path / "server.log",
            "kept": tmp_path / "kept" / "a-postgres.tar",
            "service_folder": tmp_path,
            "environment": dict(os.environ),
            "reserve": free_port,
            "event": trail,
            "port": free_port(),
            "migration_key": uuid.uuid4().hex
            if {"migrate", "seed", "seed_command"} & settings.keys()
            else "",
        }
        return PostgresOrder(**{**defaults, **changes})

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started server and its lease, with a client."""

    resource: PostgresResource
    lease: Lease

    def ask(self, sql: str, **how: Any) -> Any:
        """Return the first value of a query over TCP, as the lease's user."""
        values = self.lease.values
        given = {
            "user": values["user"],
            "password": values["password"],
            "host": values["host"],
            "port": self.lease.address.port,
            "database": values["database"],
            **how,
        }
        with contextlib.closing(pg8000.native.Connection(**given)) as connection:
            rows = connection.run(sql)
            return rows[0][0] if rows else None

    def ask_socket(self, sql: str) -> Any:
        """Return the first value of a query over the socket, as the superuser without a password."""
        path = Path(self.lease.address.socket_folder) / f".s.PGSQL.{self.lease.address.port}"
        return self.ask(sql, user="postgres", password=None, unix_sock=str(path))


@pytest.fixture
def started(postgres_order: Callable[..., PostgresOrder]) -> Iterator[Callable[..., Running]]:
    """Start servers that are stopped when the test ends."""
    resources: list[PostgresResource] = []

    def start(**changes: Any) -> Running:
        resource = PostgresResource(postgres_order(**changes))
        resources.append(resource)
        return Running(resource=resource, lease=resource.start())

    yield start
    for resource in resources:
        resource.stop()


PLAN = SessionPlan(
    name="unit-a", service="a", type="unit", python="", tags=(), description="", exclusive=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    output: str
    folder: Path

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        rows = json.loads((self.folder / "run/outcomes.json").read_text())
        return {row["test"].rpartition("::")[2]: row for row in rows}


class Suite:
    """One test file in one session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()
        (folder / "tests").mkdir()

    def run(self, kind: str, text: str, *words: str, env: dict[str, str] | None = None, **more: Any) -> Ended:
        (self.folder / "tests/test_it.py").write_text(text)
        settings = SuiteSettings(users=2, run_time=0.2)
        found = SessionFile(
            plan=replace(PLAN, name=f"{kind}-a", type=kind),
            service_folder=str(self.folder),
            run_folder=str(self.folder / "run"),
            examples_folder=str(self.folder / "examples"),
            control=str(self.folder / "control"),
            token="token",
            box="guarded",
            network="closed",
            settings=settings,
        )
        session = self.folder / "session.json"
        session.write_text(json.dumps(to_json(replace(found, **more))))
        dropped = ("NOXLIB_SESSION_TAKEN", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
        environment = {key: value for key, value in os.environ.items() if key not in dropped}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "tests"]
        if not _installed():
            command[3:3] = ["-p", "noxlib.pytest_plugin"]
        package = str(Path(__file__).parents[2])
        done = launch.run(
            command,
            launch.Setting(
                cwd=self.folder,
                env={**environment, "NOXLIB_SESSION": str(session), "PYTHONPATH": package, **(env or {})},
                sink=lambda _chunk: None,
            ),
            timeout=60,
        )
        return Ended(code=done.code, output=done.output, folder=self.folder)


def _installed() -> bool:
    return any(each.name == "noxlib" for each in entry_points(group="pytest11"))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)
