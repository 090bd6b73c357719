"""Real servers, processes and environments for tests; what is dear is made once for all of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alpha_service import BACKEND, PYPROJECT, Alpha, wheel
from external_sessions import Container, Session, entered
from orders import make_order
from plugin_suite import Suite
from postgres_client import Running
from python_processes import SLEEP, MakeProcess
from redis_client import MakeRedis

from noxlib import launch
from noxlib.box import free_port
from noxlib.environment import uv
from noxlib.model import Binaries, Postgres, Process, Redis
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres import PostgresOrder, PostgresResource, server_credentials
from noxlib.resources.process import ProcessOrder, ProcessResource
from noxlib.resources.redis import RedisOrder, RedisResource
from noxlib.resources.redis_binaries import find_redis


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
        defaults: dict[str, Any] = {
            "owner": "a",
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
            "migration_key": uuid.uuid4().hex if {"migrate", "seed", "seed_command"} & changes.keys() else "",
        }
        return make_order(PostgresOrder, Postgres, defaults, changes)

    return make


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


@pytest.fixture
def container(started: Callable[..., Running]) -> Container:
    return Container(started(private_network=False, auth="scram-sha-256"))


@pytest.fixture
def external_session(
    container: Container, postgres_order: Callable[..., PostgresOrder], tmp_path: Path
) -> Callable[..., contextlib.AbstractContextManager[Session]]:
    """Enter a session; keywords are fields of the order, or of the settings."""

    def enter(
        where: Container = container, run: str = "r-00000001", **given: Any
    ) -> contextlib.AbstractContextManager[Session]:
        log = tmp_path / run / "logs" / "a-postgres.log"
        return entered(where, postgres_order(private_network=False, log=log, **given), tmp_path / run)

    return enter


@pytest.fixture(scope="session")
def redis_binaries(postgres_cache: Path) -> Binaries:
    return find_redis(Redis(), "services.toml: services.a.redis", postgres_cache, print)


@pytest.fixture
def make_redis(
    box_folder: Path, tmp_path: Path, trail: Trail, redis_binaries: Binaries
) -> Iterator[MakeRedis]:
    """Make resources that are stopped when the test ends; keywords are of the order, or the settings."""
    made: list[RedisResource] = []

    def make(**changes: Any) -> RedisResource:
        defaults: dict[str, Any] = {
            "owner": "a",
            "binaries": redis_binaries,
            "folder": box_folder,
            "private_network": True,
            "log": tmp_path / "logs" / "a-redis.log",
            "reserve": free_port,
            "event": trail,
            "port": free_port(),
        }
        made.append(RedisResource(make_order(RedisOrder, Redis, defaults, changes)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def make_process(tmp_path: Path, trail: Trail) -> Iterator[MakeProcess]:
    """Make a process of Python code, or of a `command`, that is stopped when the test ends.

    Keywords are fields of the order or of its settings.
    """
    made: list[ProcessResource] = []

    def make(code: str = SLEEP, **changes: Any) -> ProcessResource:
        defaults: dict[str, Any] = {
            "owner": "a",
            "service_folder": tmp_path,
            "environment": dict(os.environ),
            "values": {},
            "port": free_port(),
            "log": tmp_path / "logs" / "a.log",
            "redactor": launch.Redactor(),
            "event": trail,
        }
        changes.setdefault("command", (sys.executable, "-c", code, "{port}"))
        made.append(ProcessResource(make_order(ProcessOrder, Process, defaults, changes)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheelhouse")
    for name, version in (("tiny", "1.0"), ("tiny", "2.0"), ("other", "1.0"), ("grouped", "1.0")):
        wheel(folder, name, version)
    wheel(folder, "toolbelt", "3.0", "tiny")
    wheel(folder, "picky", "1.0", "tiny>=2")
    return folder


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def only_the_wheelhouse(wheelhouse: Path, uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")


@pytest.fixture
def alpha(tmp_path: Path, only_the_wheelhouse: None) -> Alpha:  # noqa: ARG001  for its effect
    folder = tmp_path / "a repository" / "alpha"
    (folder / "src" / "alpha").mkdir(parents=True)
    (folder / "src" / "alpha" / "__init__.py").write_text("import tiny\n", encoding="utf-8")
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "requirements.lock").write_text("tiny==1.0\n", encoding="utf-8")
    return Alpha(folder)


@pytest.fixture(params=["uv", "pip"])
def each_tool(request: pytest.FixtureRequest, alpha: Alpha, monkeypatch: pytest.MonkeyPatch) -> Alpha:
    if request.param == "pip":
        monkeypatch.setenv("NOXLIB_UV", "off")
    else:
        assert uv.find(), "uv must be on PATH or beside the interpreter"
    return alpha


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)
