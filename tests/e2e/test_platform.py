"""The reference services as one platform: cs1, plant and gateway, every process real.

Real nox runs on the repository itself, with its virtualenvs; what it leaves goes to a state folder of
each test's own.
"""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from noxlib import launch, resp
from noxlib.testing import Project

REPOSITORY = Project(Path(__file__).parents[2])
SESSION = "e2e-gateway"
QUICK = ("--", "-k", "booked_fee or seeded")
SECONDS = 240  # virtualenvs may have to be built
RESOURCES = [
    "cs1/postgres",
    "cs1/process",
    "plant/postgres",
    "plant/process",
    "gateway/postgres",
    "gateway/redis",
    "gateway/process",
]
PROCESSES = ["cs1", "plant", "gateway"]


class Runs:
    """The evidence of the sessions of one test."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOXLIB_STATE": str(self._state), **more}

    def folders(self, session: str = SESSION) -> list[Path]:
        return sorted(self._state.glob(f"runs/*/{session}/*"))

    def events(self) -> list[dict[str, Any]]:
        (folder,) = self.folders()
        return events(folder)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "state")


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def happened(found: list[dict[str, Any]], name: str) -> list[str]:
    """Return the resources to which something happened, in the order in which it did."""
    return [each["resource"] for each in found if each["event"].rpartition(".")[2] == name]


def ready_before(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return, for each service, whose processes were ready when the first of its own was begun."""
    ready: list[str] = []
    begun: dict[str, list[str]] = {}
    for each in found:
        service = each.get("resource", "").partition("/")[0]
        if service:
            begun.setdefault(service, list(ready))
        if each["event"] == "process.ready":
            ready.append(service)
    return begun


def test_it_starts_in_order_healthy_before_use_seeded_and_stops_in_reverse(runs: Runs) -> None:
    """What the tests of that session do with it: a hire through all three, and a plan that was seeded."""
    result = REPOSITORY.nox("-s", SESSION, *QUICK, env=runs.environment(NOXLIB_BOX="namespace"))
    result.assert_ok().assert_says(f"{SESSION}: passed: 2 passed")
    found = runs.events()
    assert happened(found, "lease") == RESOURCES
    assert ready_before(found) == {"cs1": [], "plant": ["cs1"], "gateway": ["cs1", "plant"]}
    assert happened(found, "stopped") == RESOURCES[::-1]
    assert found[-1]["event"] == "box.left"


def test_a_process_that_does_not_start_brings_all_down_in_reverse(runs: Runs) -> None:
    result = REPOSITORY.nox("-s", SESSION, *QUICK, env=runs.environment(GATEWAY_WORKERS="none"))
    result.assert_failed().assert_says("services.gateway.process", "GATEWAY_WORKERS: must be a whole number")
    found = runs.events()
    assert happened(found, "ready")[-1] == "gateway/postgres"
    assert happened(found, "stopped") == RESOURCES[::-1]
    assert found[-1]["event"] == "box.left"


def test_a_suite_that_fails_is_torn_down_like_one_that_passes(runs: Runs) -> None:
    result = REPOSITORY.nox("-s", SESSION, "--", "--no-such-option", env=runs.environment())
    result.assert_failed().assert_says("--no-such-option")
    assert happened(runs.events(), "stopped") == RESOURCES[::-1]


def test_two_sessions_at_once_do_not_meet(runs: Runs, tmp_path: Path) -> None:
    """On one network: each has addresses of its own, and each counts in its own ledger."""
    environment = REPOSITORY.environment(runs.environment(NOXLIB_BOX="guarded"))
    logs = [tmp_path / f"nox-{number}.log" for number in range(2)]
    children = [
        launch.start(
            REPOSITORY.command("-s", SESSION, *QUICK),
            launch.Setting(cwd=REPOSITORY.folder, env=environment, log=log),
        )
        for log in logs
    ]
    codes = [child.wait(SECONDS) for child in children]
    assert codes == [0, 0], [log.read_text() for log in logs]
    one, other = (events(folder) for folder in runs.folders())
    assert max(moment(one, "lease"), moment(other, "lease")) < min(
        moment(one, "stopped"), moment(other, "stopped")
    )
    ports = {each["port"] for each in (*one, *other) if each["event"] == "lease"}
    assert len(ports) == 2 * len(RESOURCES)


def moment(found: list[dict[str, Any]], name: str) -> str:
    """Return when something happened first."""
    return min(str(each["t"]) for each in found if each["event"].rpartition(".")[2] == name)


def test_up_gateway_stands_for_a_person_until_it_is_interrupted(runs: Runs, tmp_path: Path) -> None:
    log = tmp_path / "nox.log"
    child = launch.start(
        REPOSITORY.command("-s", "up-gateway"),
        launch.Setting(cwd=REPOSITORY.folder, env=REPOSITORY.environment(runs.environment()), log=log),
    )
    try:
        urls = wait_for_urls(child, log)
        assert list(urls) == PROCESSES
        assert [ask(f"{url}/health")["status"] for url in urls.values()] == ["ok"] * 3
        assert ask(f"{urls['gateway']}/skills?like=welding") == {"hits": [], "degraded": False}
        word, host, port = re.findall(r"REDISCLI_AUTH=(\S+) redis-cli -h (\S+) -p (\d+)", log.read_text())[0]
        with resp.Connection(resp.Endpoint(host=host, port=int(port), password=word), timeout=5) as redis:
            assert redis.call("PING") == "PONG"
    finally:
        child.send(signal.SIGINT)
        code = child.wait(30)
    assert code == 0, log.read_text()
    for url in urls.values():
        with pytest.raises(OSError, match="refused"):
            ask(f"{url}/health")
    (folder,) = runs.folders("up-gateway")
    assert happened(events(folder), "stopped") == RESOURCES[::-1]


def wait_for_urls(child: launch.Child, log: Path) -> dict[str, str]:
    """Wait until it stands, and return the addresses of the processes that it names, in its order."""
    deadline = time.monotonic() + SECONDS
    while not log.exists() or "^C ends it" not in log.read_text():
        assert child.code is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return dict(re.findall(r"(\w+)/process +(http://\S+)", log.read_text()))


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own server
        return json.load(answer)
