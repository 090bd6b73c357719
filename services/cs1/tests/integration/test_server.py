"""The process itself: `uvicorn --factory cs1.server:build`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from sqlalchemy import Engine, select

from cs1 import logs, server
from cs1.schema import accounts
from ledger_audit import wait_for_a_blocked_backend
from ledger_client import LedgerClient

RUNNING = "Uvicorn running on "


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
def running() -> Iterator[Server]:
    command = [sys.executable, "-m", "uvicorn", "--factory", "cs1.server:build", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        running_server = Server(process)
        running_server.url = running_server.read_until(RUNNING).split()[3]
        yield running_server
    finally:
        process.kill()
        process.communicate()


def test_the_process_finishes_what_it_has_begun_when_it_is_asked_to_stop(
    engine: Engine, ledger: LedgerClient
) -> None:
    anna, bela = ledger.customer(100), ledger.customer()
    with running() as server, httpx2.Client(base_url=server.url) as client, ThreadPoolExecutor(1) as pool:
        with engine.begin() as holder:
            holder.execute(select(accounts).where(accounts.c.id == anna).with_for_update())
            answer = pool.submit(LedgerClient(client).pay, anna, bela, 60)
            wait_for_a_blocked_backend(engine)
            server.process.send_signal(signal.SIGTERM)
            server.read_until("Shutting down")
        assert answer.result(timeout=10).status_code == 201
        server.read_until("Finished server process")
        assert server.process.wait(timeout=10) in {0, -signal.SIGTERM}
    assert ledger.balance(bela) == 60
    requests = [line for line in server.lines if line["message"] == "request"]
    assert [(line["path"], line["status"]) for line in requests] == [("/transfers", 201)]


def test_the_process_is_built_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[bool] = []
    monkeypatch.setattr(logs, "configure", lambda: configured.append(True))
    monkeypatch.setenv("CS1_POOL_SIZE", "3")
    app = server.build()
    assert app.state.engine.pool.size() == 3
    assert configured == [True]


def test_every_logger_of_the_process_writes_json() -> None:
    script = (
        "import logging; from cs1 import logs; logs.configure();"
        "logging.getLogger('uvicorn.error').info('a'); logging.getLogger('cs1.x').info('b');"
        "logging.getLogger('uvicorn.access').info('hidden'); logging.getLogger('other').info('hidden')"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line)["message"] for line in ended.stderr.splitlines()] == ["a", "b"]
