"""One small platform, its virtualenv built once, on which real nox runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from ci_server import Container, ci_server

from noxlib.testing import NOXFILE, Project

BOXES = ("namespace", "guarded")
LOCK = "iniconfig==2.3.0\n"
SOURCE = "def double(x):\n    if x < 0:\n        return -2 * -x\n    return 2 * x\n"
UNIT = "from mod import double\n\ndef test_doubles(): assert double(2) == 4\n\ndef test_zero(): assert double(0) == 0\n"
INTEGRATION = """
import os
import socket
import subprocess

import pytest

from mod import double

def test_the_server_is_migrated():
    assert double(1) == 2
    done = subprocess.run(["psql", "-Atc", "select count(*) from account"], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr

def test_the_outside_is_unreachable():
    with pytest.raises((OSError, pytest.fail.Exception)):
        socket.create_connection(("192.0.2.1", 80), timeout=2)
"""
SERVER = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps({"peer": os.environ.get("A_URL", "")}).encode())
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
OFF = "".join(f"[defaults.types.{kind}]\nenabled = false\n" for kind in ("property", "performance"))
SERVICES = f"""
[platform]
name = "toy"
{OFF}
[services.a]
path = "a"
source = ["src"]
pass_env = ["MY_TOKEN"]
[services.a.coverage]
fail_under = 60
[services.a.postgres]
migrate = ["psql", "-c", "create table account (id int)"]
[services.a.process]
command = ["python", "server.py", "{{port}}"]
ready = {{ http = "/" }}
env = {{ A_URL = "http://{{host}}:{{port}}" }}
[services.a.types.stress]
run_time = "1s"
users = 2
thresholds = {{ min_iterations = 10 }}
[services.b]
path = "b"
source = ["src"]
depends_on = ["a"]
[services.b.process]
command = ["python", "server.py", "{{port}}"]
env = {{ B_URL = "http://{{host}}:{{port}}" }}
[services.b.types.integration]
enabled = false
[services.b.types.stress]
enabled = false
[services.b.types.race]
enabled = false
[services.b.types.chaos]
enabled = false
"""
RACE = """
import pytest

class Counter:
    def __init__(self): self.value = 0
    def add(self):
        for _ in range(5): self.value += 1

def test_the_planted_bug_is_found(noxlib_race):
    with pytest.raises(pytest.fail.Exception, match="NOXLIB_RACE_SEED"):
        noxlib_race(Counter.add, Counter.add, setup=Counter, check=lambda counter: counter.value == 10)
"""
CHAOS = """
import subprocess, urllib.request

def ask():
    return subprocess.run(["psql", "-Atc", "select 1"], capture_output=True).returncode == 0

def test_postgres_comes_back(noxlib_chaos):
    assert ask()
    noxlib_chaos.postgres.kill()
    assert not ask()
    noxlib_chaos.postgres.restart()
    noxlib_chaos.wait_healthy()
    noxlib_chaos.eventually(ask)
    with noxlib_chaos.process("a").paused():
        pass
    noxlib_chaos.process("a").kill()
    noxlib_chaos.process("a").restart()
    noxlib_chaos.wait_healthy()
"""
E2E = """
import json, os, urllib.request

def test_the_services_are_wired():
    answer = json.load(urllib.request.urlopen(os.environ["B_URL"]))
    assert answer["peer"] == os.environ["A_URL"]
"""
FILES = {
    "noxfile.py": NOXFILE,
    "services.toml": SERVICES,
    "a/requirements.lock": LOCK,
    "a/src/mod.py": SOURCE,
    "a/server.py": SERVER,
    "a/tests/unit/test_mod.py": UNIT,
    "a/tests/integration/test_db.py": INTEGRATION,
    "a/tests/e2e/test_up.py": "import os, urllib.request\n"
    "import mod\n"
    "def test_up(): assert mod.double(1) == 2 and urllib.request.urlopen(os.environ['A_URL']).status == 200\n",
    "a/tests/race/test_race.py": RACE,
    "a/tests/chaos/test_chaos.py": CHAOS,
    "a/tests/stress/test_load.py": "def test_load(noxlib_load):\n"
    "    result = noxlib_load(lambda user: sum(range(1000)), seconds=0.5)\n"
    "    assert result.failures == 0\n",
    "b/requirements.lock": LOCK,
    "b/src/mod.py": SOURCE.replace("double", "twice"),
    "b/server.py": SERVER,
    "b/tests/unit/test_mod.py": UNIT.replace("double(", "twice(").replace("import double", "import twice"),
    "b/tests/e2e/test_wired.py": E2E + "\ndef test_mod():\n    import mod\n    assert mod.twice(1) == 2\n",
}


class Platform(Project):
    """The project, brought back to how it was after a test has changed it."""

    def restore(self) -> None:
        for extra in (self.folder / "a/tests/unit").glob("test_extra*"):
            extra.unlink()
        self.write(FILES)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    made = Platform(tmp_path_factory.mktemp("platform"))
    made.restore()
    return made


@pytest.fixture
def platform(built: Platform) -> Iterator[Platform]:
    built.restore()
    yield built
    built.restore()


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    with ci_server() as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    """Return a function that makes a project of its own, for mistakes that nox stumbles over."""

    def make(files: Mapping[str, str]) -> Project:
        made = Project(tmp_path / "project")
        made.write({"noxfile.py": NOXFILE, **files})
        return made

    return make
