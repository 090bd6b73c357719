"""Service processes, the whole: order, wiring, readiness, half-way failures, deaths, reverse stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOXES, LOCK

from noxlib.testing import NOXFILE, Project, Result

# web depends on shop and mail, which both depend on base. They differ in how they are ready.
SERVER = """
import http.server, json, os, pathlib, subprocess, sys, threading, time

SLEEPER = subprocess.Popen(["sleep", "3600"])  # a tree that must go with its process

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        peers = {key: value for key, value in os.environ.items() if key.endswith("_PEER")}
        self.wfile.write(json.dumps({"peers": peers, "pids": [os.getpid(), SLEEPER.pid]}).encode())
        if self.path == "/die":
            print("the roof is on fire", flush=True)
            threading.Thread(target=lambda: (time.sleep(0.1), os._exit(7))).start()
    def log_message(self, *_): pass

with http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    pathlib.Path(os.environ["TMPDIR"], sys.argv[2]).touch()
    print(f"{sys.argv[2]}: serving", flush=True)
    server.serve_forever()
"""
READY = {
    "base": 'log = "^base: serving$"',
    "shop": 'command = ["test", "-e", "{ENV:TMPDIR}/shop"]',
    "mail": "tcp = true",
    "web": 'http = "/"',
}
DEPENDS = {"base": [], "shop": ["base"], "mail": ["base"], "web": ["shop", "mail"]}
TEST = """
import json, os, urllib.request

def ask(path="/"):
    with urllib.request.urlopen(os.environ["WEB_PEER"] + path) as answer:
        return json.load(answer)
"""
WIRED = f"""{TEST}
def peers(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["peers"]

def test_each_sees_its_own_dependencies_and_no_others():
    web = ask()["peers"]
    assert set(web) == {{"SHOP_PEER", "MAIL_PEER"}}
    for each in web.values():
        assert set(peers(each)) == {{"BASE_PEER"}}
    assert peers(peers(web["SHOP_PEER"])["BASE_PEER"]) == {{}}
    assert "BASE_PEER" not in os.environ
"""
DYING = f"""{TEST}
import time

def test_it_dies():
    ask("/die")
    time.sleep(0.5)
"""
CHAOS = f"""{TEST}
def test_a_kill_on_purpose(noxlib_chaos):
    for service in ("mail", "shop"):
        noxlib_chaos.process(service).kill()
    noxlib_chaos.process("shop").restart()
    noxlib_chaos.process("base").stop()
    ask()
"""


def table(name: str) -> str:
    return f"""
[services.{name}]
path = "{name}"
source = ["."]
depends_on = {json.dumps(DEPENDS[name])}
[services.{name}.process]
command = ["python", "../server.py", "{{port}}", "{name}"]
ready = {{ {READY[name]}, timeout = "20s" }}
env = {{ {name.upper()}_PEER = "http://{{host}}:{{port}}" }}
"""


FILES = {
    "noxfile.py": NOXFILE,
    "server.py": SERVER,
    "services.toml": '[platform]\nname = "town"\n' + "".join(map(table, DEPENDS)),
    "web/tests/e2e/test_it.py": WIRED,
    "web/tests/chaos/test_it.py": CHAOS,
    **{f"{name}/requirements.lock": LOCK for name in DEPENDS},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("town"))


@pytest.fixture
def town(built: Project) -> Iterator[Project]:
    built.write(FILES)
    yield built
    built.write(FILES)


def change(project: Project, old: str, new: str) -> None:
    path = project.folder / "services.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def events(result: Result, session: str) -> list[dict[str, Any]]:
    lines = (result.run_folder(session) / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def order(result: Result, session: str, name: str) -> list[str]:
    """Return the services to which something happened, in the order in which it did."""
    return [each["resource"].partition("/")[0] for each in events(result, session) if each["event"] == name]


def strays(project: Project) -> list[str]:
    """Return the command lines of what is left of the town's processes and their children."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            inside = (each / "cwd").resolve().is_relative_to(project.folder)
            words = (each / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if inside:
            found.append(b" ".join(words).decode())
    return found


@pytest.mark.parametrize("box", BOXES)
def test_a_diamond_is_started_in_order_wired_and_stopped_in_reverse(town: Project, box: str) -> None:
    result = town.nox("-s", "e2e-web", env={"NOXLIB_BOX": box}).assert_ok()
    started = order(result, "e2e-web", "process.started")
    assert started == ["base", "shop", "mail", "web"]
    assert order(result, "e2e-web", "process.ready") == started
    assert order(result, "e2e-web", "process.stopped") == started[::-1]
    steps = [
        f"{each['event'].partition('.')[2]} {each['resource']}"
        for each in events(result, "e2e-web")
        if each["event"] in {"process.started", "process.ready"}
    ]
    assert steps[:4] == [
        "started base/process",
        "ready base/process",
        "started shop/process",
        "ready shop/process",
    ]
    for name in started:
        assert f"{name}: serving" in (result.run_folder("e2e-web") / "logs" / f"{name}.log").read_text()
    assert strays(town) == []


@pytest.mark.parametrize("box", BOXES)
def test_a_start_that_fails_half_way_stops_what_was_started_in_reverse(town: Project, box: str) -> None:
    (town.folder / "server.py").write_text(
        SERVER.replace(
            "import http", "import sys\nif sys.argv[2] == 'web':\n    sys.exit('no web')\nimport http"
        )
    )
    result = town.nox("-s", "e2e-web", env={"NOXLIB_BOX": box}).assert_failed()
    result.assert_says(
        "  resource: services.toml:35: services.web.process: `python ../server.py ",
        "ended with exit code 1 before it was ready",
        "    no web",
        "logs/web.log",
    )
    assert "processes:" not in result.output
    assert order(result, "e2e-web", "process.ready") == ["base", "shop", "mail"]
    assert order(result, "e2e-web", "process.stopped") == ["web", "mail", "shop", "base"]
    assert strays(town) == []


@pytest.mark.parametrize("box", BOXES)
def test_a_process_that_dies_during_the_suite_fails_a_session_whose_tests_passed(
    town: Project, box: str
) -> None:
    town.write({"web/tests/e2e/test_it.py": DYING})
    result = town.nox("-s", "e2e-web", env={"NOXLIB_BOX": box}).assert_failed()
    result.assert_says(
        "e2e-web: failed: 1 passed",
        "  processes: services.toml:35: services.web.process: `python ../server.py ",
        "ended with exit code 7 during the suite",
        "    the roof is on fire",
        "logs/web.log",
    )
    finding = next(
        each for each in result.record("e2e-web")["verdict"]["findings"] if each["gate"] == "processes"
    )
    assert finding["details"][-1].strip() == "log: <run>/logs/web.log"
    assert strays(town) == []


def test_a_process_that_died_before_another_was_ready_is_named_beside_it(town: Project) -> None:
    dying = SERVER + "\n"
    (town.folder / "server.py").write_text(
        dying.replace(
            "with http.server",
            "if sys.argv[2] == 'base': threading.Timer(0.3, lambda: os._exit(5)).start()\n"
            "if sys.argv[2] == 'web': time.sleep(1); sys.exit('base is gone')\nwith http.server",
        )
    )
    town.nox("-s", "e2e-web").assert_failed().assert_says(
        "  resource: services.toml:35: services.web.process: ",
        "    base is gone",
        "  processes: services.toml:8: services.base.process: ",
        "ended with exit code 5 before the suite began",
    )


def test_a_port_that_one_service_has_fixed_is_given_to_no_other(town: Project) -> None:
    change(town, '"{port}", "web"]\n', '"{port}", "web"]\nport = 8001\n')
    # In the guarded box, ports are whatever is free.
    result = town.nox("-s", "e2e-web", env={"NOXLIB_BOX": "namespace"}).assert_ok()
    ports = {each["resource"]: each["port"] for each in events(result, "e2e-web") if each["event"] == "lease"}
    assert ports == {"base/process": 8000, "shop/process": 8002, "mail/process": 8003, "web/process": 8001}


def test_what_a_chaos_test_kills_or_stops_is_no_finding(town: Project) -> None:
    result = town.nox("-s", "chaos-web").assert_ok()
    assert order(result, "chaos-web", "process.killed") == ["mail", "shop"]
    assert order(result, "chaos-web", "process.ready") == ["base", "shop", "mail", "web", "shop"]


def test_a_ready_command_whose_program_is_missing_is_said_at_once(town: Project) -> None:
    change(town, '["test", "-e", ', '["tesst", "-e", ')
    result = town.nox("-s", "e2e-web").assert_failed()
    result.assert_says("services.shop.process.ready.command: `tesst`: no program of that name", "to fix it:")
    assert order(result, "e2e-web", "process.stopped") == ["shop", "base"]


def test_a_command_whose_program_is_missing_names_what_the_virtualenv_has(town: Project) -> None:
    change(town, '["python", "../server.py", "{port}", "web"]', '["pytset", "{port}"]')
    town.nox("-s", "e2e-web").assert_failed().assert_says(
        ": services.web.process.command: `pytset`: no program of that name", 'did you mean "pytest"?'
    )


def test_a_cycle_is_a_mistake_in_services_toml(town: Project) -> None:
    change(town, "depends_on = []", 'depends_on = ["web"]')
    result = town.nox("-l").assert_failed(11)
    result.assert_says("services.base.depends_on: is a cycle: base -> web -> shop -> base")
