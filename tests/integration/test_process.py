"""A service's process as a resource: what it is told, what it hands out, and how it ends. Others: test_process_*."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from python_processes import MakeProcess
from waiting import eventually, gone

from noxlib import launch
from noxlib.box import PORTS
from noxlib.errors import ConfigError, ResourceError
from noxlib.model import Ready
from noxlib.resources.process import ProcessResource

HTTP = (sys.executable, "-m", "http.server", "--bind", "{host}", "{port}")
# Accepts at once, says what it was told, and has a child and a grandchild that left the group.
TREE = """
import os, pathlib, signal, socket, subprocess, sys, time
port, stubborn = int(sys.argv[1]), sys.argv[2] == "stubborn"
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
pids = [os.getpid(), *(each.pid for each in children)]
pathlib.Path("aside").write_text(" ".join(map(str, pids)))
pathlib.Path("aside").rename("pids")
print("started by", os.environ.get("WHO"), "in", os.getcwd(), flush=True)
listener = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = listener.accept()
    connection.close()
"""


@pytest.fixture
def make(make_process: MakeProcess) -> MakeProcess:
    """Make a process of a command, else a web server; it has long enough to become ready."""

    def resource(*command: str, **changes: Any) -> ProcessResource:
        return make_process(**{"command": command or HTTP, "ready": Ready(timeout=20), **changes})

    return resource


def tree(make: MakeProcess, how: str = "obeys", **changes: Any) -> ProcessResource:
    return make(sys.executable, "-c", TREE, "{port}", how, **changes)


def running(folder: Path) -> list[int]:
    """Return which pids of a tree are alive."""
    return [pid for pid in map(int, (folder / "pids").read_text().split()) if not gone(pid)]


def answers(resource: ProcessResource, timeout: float = 5.0) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", resource.lease.address.port, timeout=timeout)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


# --- start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ready", [Ready(timeout=20), Ready(tcp=True, timeout=20), Ready(http="/", timeout=20)]
)
def test_a_started_process_answers_at_once(make: MakeProcess, ready: Ready) -> None:
    resource = make(ready=ready)
    assert resource.pid is None
    lease = resource.start()
    assert answers(resource)
    assert lease.address.port in PORTS


def test_the_lease_tells_where_it_listens(make: MakeProcess) -> None:
    resource = make(env={"A_URL": "http://{host}:{port}"})
    lease = resource.lease
    assert (lease.resource, lease.kind, lease.via) == ("a/process", "process", "direct")
    assert lease.env == {"A_URL": f"http://127.0.0.1:{lease.address.port}"}


def test_its_environment_and_folder_are_the_orders_and_its_output_is_in_the_log(
    make: MakeProcess, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    tree(make, environment={"WHO": "noxlib"}, cwd="sub").start()
    assert eventually((tmp_path / "logs" / "a.log").read_text)
    assert (tmp_path / "logs" / "a.log").read_text() == f"started by noxlib in {tmp_path}/sub\n"


def test_a_secret_is_not_in_the_log(make: MakeProcess, tmp_path: Path) -> None:
    tree(make, environment={"WHO": "hunter22"}, redactor=launch.Redactor(["hunter22"])).start()
    assert eventually((tmp_path / "logs" / "a.log").read_text)
    assert (tmp_path / "logs" / "a.log").read_text().startswith("started by [redacted] in")


def test_templates_of_the_command_are_filled(make: MakeProcess) -> None:
    resource = make("{python}", "-m", "http.server", "{port}", values={"python": sys.executable})
    resource.start()
    words = psutil.Process(resource.pid).cmdline()
    assert words[1:] == ["-m", "http.server", str(resource.lease.address.port)]


@pytest.mark.parametrize(
    ("place", "given"), [("command", {"command": ("run", "{prot}")}), ("env", {"env": {"A": "{prot}"}})]
)
def test_an_unknown_placeholder_is_an_error_at_its_place(make: MakeProcess, place: str, given: Any) -> None:
    command = given.pop("command", HTTP)
    with pytest.raises(ConfigError, match=rf"services\.a\.process\.{place}: .*Did you mean \{{port\}}"):
        make(*command, **given)


def test_a_taken_port_is_named_and_its_owner_left_alone(make: MakeProcess) -> None:
    neighbour = make()
    neighbour.start()
    with pytest.raises(ResourceError, match=f"port {neighbour.lease.address.port} is taken") as caught:
        make(port=neighbour.lease.address.port).start()
    assert "leave `port` out" in caught.value.remedy
    assert answers(neighbour)


def test_one_that_is_never_ready_is_ended_with_its_whole_tree(make: MakeProcess, tmp_path: Path) -> None:
    begun = time.monotonic()
    resource = tree(make, ready=Ready(http="/", timeout=0.7))
    with pytest.raises(ResourceError, match=r"was not ready within 0\.7 s \(GET http://127"):
        resource.start()
    assert 0.7 < time.monotonic() - begun < 10
    assert resource.pid is None
    assert eventually(lambda: not running(tmp_path))


def test_an_interrupt_while_it_gets_ready_leaves_nothing(make: MakeProcess, tmp_path: Path) -> None:
    def interrupt() -> None:
        assert eventually((tmp_path / "pids").exists)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            tree(make, ready=Ready(http="/never", timeout=60)).start()
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert eventually(lambda: not running(tmp_path))


# --- end ------------------------------------------------------------------------------------


def test_stopping_ends_the_whole_tree_and_frees_the_port(
    make: MakeProcess, trail: Any, tmp_path: Path
) -> None:
    resource = tree(make)
    port = resource.start().address.port
    assert len(running(tmp_path)) == 3
    resource.stop()
    resource.stop()
    assert resource.pid is None
    assert trail.names() == ["process.started", "process.ready", "process.stopped"]
    assert eventually(lambda: not running(tmp_path))
    socket.create_server(("127.0.0.1", port)).close()


def test_one_that_obeys_is_stopped_at_once_and_one_that_does_not_after_its_stop_timeout(
    make: MakeProcess, trail: Any, tmp_path: Path
) -> None:
    for how, code in (("obeys", -signal.SIGTERM), ("stubborn", -signal.SIGKILL)):
        resource = tree(make, how, stop_timeout=0.5)
        resource.start()
        begun = time.monotonic()
        resource.stop()
        spent = time.monotonic() - begun
        assert 0.5 <= spent < 10 if how == "stubborn" else spent < 0.5
        assert trail[-1] == ("process.stopped", {"resource": "a/process", "code": code})
        assert eventually(lambda: not running(tmp_path))


def test_a_kill_takes_the_whole_tree_and_a_restart_brings_it_back_on_the_same_port(
    make: MakeProcess, tmp_path: Path
) -> None:
    resource = tree(make, "stubborn", stop_timeout=0.2)
    resource.start()
    first = resource.pid
    resource.kill()
    assert resource.pid is None
    assert eventually(lambda: not running(tmp_path))
    resource.restart()
    second = resource.pid
    resource.restart()
    assert len({None, first, second, resource.pid}) == 4
    socket.create_connection(("127.0.0.1", resource.lease.address.port)).close()


def test_a_paused_process_answers_nobody_until_it_is_resumed(make: MakeProcess, trail: Any) -> None:
    resource = make()
    resource.start()
    resource.pause()
    assert not answers(resource, timeout=0.3)
    resource.resume()
    assert answers(resource)
    assert "process.paused" in trail.names()


def test_a_paused_process_can_be_stopped(make: MakeProcess) -> None:
    resource = make(stop_timeout=20)
    resource.start()
    resource.pause()
    begun = time.monotonic()
    resource.stop()
    assert time.monotonic() - begun < 10
