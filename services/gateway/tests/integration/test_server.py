"""The process itself: `uvicorn --factory gateway.server:build`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2
import pytest

from gateway import logs, server
from gateway.settings import Settings
from gateway_client import GatewayClient

RUNNING = "Uvicorn running on "


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """Return what the process needs; nobody listens on port 1."""
    return {
        "DATABASE_URL": settings.database_url.render_as_string(hide_password=False),
        "REDIS_URL": settings.redis_url,
        "CS1_URL": "http://127.0.0.1:1",
        "PLANT_URL": "http://127.0.0.1:1",
    }


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str = ""
    lines: list[dict[str, object]] = field(default_factory=list)

    def read_until(self, message: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if message in (found := str(self.lines[-1]["message"])):
                return found
        raise AssertionError(f"the server ended without saying {message!r}: {self.lines}")


@contextmanager
def running(environment: dict[str, str]) -> Iterator[Server]:
    command = [sys.executable, "-m", "uvicorn", "--factory", "gateway.server:build", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    try:
        running_server = Server(process)
        running_server.url = running_server.read_until(RUNNING).split()[3]
        yield running_server
    finally:
        process.kill()
        process.communicate()


def test_the_process_stops_its_threads_and_leaves_what_is_unfinished(environment: dict[str, str]) -> None:
    with running(environment) as server, httpx2.Client(base_url=server.url) as http:
        client = GatewayClient(http)
        client.hired(uuid4(), uuid4())
        server.read_until("postponed")
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        server.read_until("Finished server process")
        assert server.process.wait(timeout=10) in {0, -signal.SIGTERM}
        assert time.monotonic() - begun < 5
    assert "left running" not in [line["message"] for line in server.lines]
    with running(environment) as second, httpx2.Client(base_url=second.url) as http:
        assert GatewayClient(http).read("/backlog")["waiting"] == 1


def test_the_process_is_built_from_its_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    configured: list[bool] = []
    monkeypatch.setattr(logs, "configure", lambda: configured.append(True))
    for name, value in {**environment, "GATEWAY_POOL_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    app = server.build()
    assert app.state.parts.engine.pool.size() == 3
    assert configured == [True]
    app.state.parts.close()


def test_every_logger_of_the_process_writes_json() -> None:
    script = (
        "import logging; from gateway import logs; logs.configure();"
        "logging.getLogger('uvicorn.error').info('a'); logging.getLogger('gateway.x').info('b');"
        "logging.getLogger('uvicorn.access').info('hidden'); logging.getLogger('other').info('hidden')"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line)["message"] for line in ended.stderr.splitlines()] == ["a", "b"]
