"""The resources of a session: up in order, down in reverse, whatever fails; real processes and servers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from noxlib import launch, plan
from noxlib.box import GUARDED, PORTS, Box, free_port
from noxlib.errors import ResourceError
from noxlib.model import (
    TEST_TYPES,
    Binaries,
    BuiltEnvironment,
    Platform,
    Postgres,
    Process,
    Ready,
    Service,
    SuiteSettings,
    Work,
)
from noxlib.protocol import Client
from noxlib.resources.process import ProcessResource
from noxlib.resources.stack import Stack

# Writes down when it starts and when it is told to stop; what it was given goes into a file of its own.
PROGRAM = """
import json, os, pathlib, signal, socket, sys
name, port = sys.argv[1], int(sys.argv[2])
def note(word):
    with open("order", "a") as stream:
        stream.write(f"{word} {name}\\n")
def stop(*_):
    note("stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("start")
pathlib.Path(name).write_text(json.dumps(dict(os.environ)))
if name == "broken":
    sys.exit("out of luck")
listener = socket.create_server(("127.0.0.1", port))
while True:
    listener.accept()[0].close()
"""


def service(name: str, *depends_on: str, **given: Any) -> Service:
    made = Service(
        name=name,
        path=".",
        source=(),
        depends_on=depends_on,
        process=Process(
            command=("{python}", "program.py", name, "{port}"),
            ready=Ready(timeout=30),
            env={f"{name.upper()}_URL": "http://{host}:{port}"},
        ),
        types=dict.fromkeys(TEST_TYPES, SuiteSettings()),
    )
    return replace(made, **given)


@dataclass
class Bench:
    """Where stacks are set up, and a look at what they did."""

    folder: Path
    box: Box

    def stack(self, *services: Service, kind: str = "e2e", **given: Any) -> Stack:
        """Make the stack of the first service's session."""
        platform = Platform(name="acme", services={each.name: each for each in services})
        built = BuiltEnvironment(
            path=sys.prefix, python=sys.executable, version="", key="", tool="uv", packages={}
        )
        name = f"{kind}-{services[0].name}"
        work = Work(
            plan=next(each for each in plan.sessions(platform) if each.name == name),
            platform=platform,
            root=str(self.folder),
            run_folder=str(self.folder / "run"),
            state_folder=str(self.folder / ".noxlib"),
            box=GUARDED,
            environments=dict.fromkeys(platform.services, built),
            postgres={},
        )
        return Stack(replace(work, **given), self.box)

    def order(self) -> list[str]:
        return (self.folder / "order").read_text().splitlines()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "run/events.jsonl").read_text().splitlines()]

    def given(self, name: str) -> dict[str, str]:
        """Return the environment that a process saw."""
        found: dict[str, str] = json.loads((self.folder / name).read_text())
        return found


@pytest.fixture
def bench(tmp_path: Path, box_folder: Path) -> Iterator[Bench]:
    """Return the bench; afterwards nothing may run that did not run before."""
    before = launch.descendants(os.getpid())
    (tmp_path / "program.py").write_text(PROGRAM)
    yield Bench(tmp_path, Box(kind=GUARDED, folder=box_folder, private_network=False))
    left = [psutil.Process(pid).cmdline() for pid in launch.descendants(os.getpid()) - before]
    assert not left


def test_services_start_behind_what_they_depend_on_and_stop_in_reverse(bench: Bench) -> None:
    services = (service("top", "middle"), service("middle", "bottom"), service("bottom"))
    with bench.stack(*services) as stack:
        stack.start()
        assert [lease.resource for lease in stack.leases] == [
            "bottom/process",
            "middle/process",
            "top/process",
        ]
        assert list(stack.pids()) == [lease.resource for lease in stack.leases]
        assert all(map(psutil.pid_exists, stack.pids().values()))
    started = ["start bottom", "start middle", "start top"]
    assert bench.order() == [*started, "stop top", "stop middle", "stop bottom"]
    assert stack.pids() == {}


def test_a_start_that_fails_half_way_stops_what_was_started(bench: Bench) -> None:
    services = (service("top", "broken"), service("broken", "bottom"), service("bottom"))
    with (
        pytest.raises(ResourceError, match=r"services\.broken\.process.*exit code 1(.|\n)*out of luck"),
        bench.stack(*services) as stack,
    ):
        stack.start()
    assert bench.order() == ["start bottom", "start broken", "stop bottom"]
    assert bench.events()[-1]["event"] == "box.left"


def test_one_that_fails_to_stop_keeps_no_other_alive(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = ProcessResource.stop

    def fail(self: ProcessResource) -> None:
        stop(self)
        if self.name == "middle/process":
            raise ResourceError("middle: would not stop")

    monkeypatch.setattr(ProcessResource, "stop", fail)
    services = (service("top", "middle"), service("middle", "bottom"), service("bottom"))
    with pytest.raises(ResourceError, match="would not stop"), bench.stack(*services) as stack:
        stack.start()
    assert bench.order()[-3:] == ["stop top", "stop middle", "stop bottom"]
    assert bench.events()[-1]["event"] == "box.left"


@pytest.mark.parametrize("moment", ["process.started", "process.ready", "suite.started"])
def test_an_interrupt_at_any_moment_stops_everything(bench: Bench, moment: str) -> None:
    def live() -> None:
        with bench.stack(service("top", "bottom"), service("bottom")) as stack:
            write = stack.events.write

            def note(event: str, /, **fields: Any) -> None:
                write(event, **fields)
                if event == moment:
                    raise KeyboardInterrupt

            stack.events.write = note  # type: ignore[method-assign]
            stack.start()
            stack.events.write("suite.started")

    with pytest.raises(KeyboardInterrupt):
        live()
    names = [each["event"] for each in bench.events()]
    assert names.count("process.started") == names.count("process.stopped")
    assert names[-1] == "box.left"


def test_a_stack_that_was_never_started_leaves_without_a_word(bench: Bench) -> None:
    with bench.stack(service("top")):
        pass
    assert [each["event"] for each in bench.events()] == ["box.entered", "box.left"]


def test_only_what_the_type_needs_is_started(bench: Bench) -> None:
    with bench.stack(service("top", "bottom"), service("bottom"), kind="unit") as stack:
        stack.start()
        assert stack.leases == []
    assert not (bench.folder / "order").exists()


def test_a_service_sees_its_own_variables_and_those_of_what_it_depends_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    services = (
        service("top", "middle", env={"MODE": "test"}),
        service("middle", "bottom"),
        service("bottom"),
    )
    with bench.stack(*services) as stack:
        stack.start()
        suite = stack.environment(services[0])
        ports = {lease.resource.partition("/")[0]: lease.address.port for lease in stack.leases}
    assert bench.given("top")["MODE"] == "test"
    assert bench.given("top")["MIDDLE_URL"] == f"http://127.0.0.1:{ports['middle']}"
    assert bench.given("top")["HOME"] == str(bench.box.home)
    for absent in ("BOTTOM_URL", "AWS_SECRET_ACCESS_KEY", "NOXLIB_SESSION"):
        assert absent not in bench.given("top")
    assert suite["TOP_URL"] == f"http://127.0.0.1:{ports['top']}"


def test_a_type_s_variables_reach_the_service_s_own_process_and_no_other(bench: Bench) -> None:
    top = service("top", "bottom", env={"MODE": "test", "SIZE": "1"})
    types = {**top.types, "e2e": replace(top.types["e2e"], env={"SIZE": "2"})}
    with bench.stack(replace(top, types=types), service("bottom"), kind="e2e") as stack:
        stack.start()
    assert (bench.given("top")["MODE"], bench.given("top")["SIZE"]) == ("test", "2")
    assert "SIZE" not in bench.given("bottom")


@pytest.mark.parametrize(("kind", "covered"), [("e2e", ["top"]), ("chaos", [])])
def test_only_the_sessions_own_service_is_measured_and_only_where_the_type_is(
    bench: Bench, kind: str, covered: list[str]
) -> None:
    with bench.stack(service("top", "bottom"), service("bottom"), kind=kind) as stack:
        stack.start()
    found = [name for name in ("top", "bottom") if any("COVERAGE" in key for key in bench.given(name))]
    assert found == covered


def test_a_fixed_port_is_kept_and_the_others_are_free_ones(bench: Bench) -> None:
    port = free_port()
    bottom = service("bottom")
    assert bottom.process is not None
    fixed = replace(bottom, process=replace(bottom.process, port=port))
    with bench.stack(service("top", "bottom"), fixed) as stack:
        stack.start()
        found = {lease.resource: lease.address.port for lease in stack.leases}
    assert found["bottom/process"] == port
    assert found["top/process"] in PORTS


def test_the_control_socket_reaches_every_resource(bench: Bench) -> None:
    with bench.stack(service("top", "bottom"), service("bottom")) as stack:
        stack.start()
        assert stack.control is not None
        before = stack.pids()
        with Client(str(stack.control.server_address), stack.control.token) as client:
            assert client.call("ping") == {"resources": ["bottom/process", "top/process"]}
            client.call("process.kill", {"resource": "bottom/process"})
            assert list(stack.pids()) == ["top/process"]
            client.call("process.start", {"resource": "bottom/process"})
        assert stack.pids()["top/process"] == before["top/process"]
        assert stack.pids()["bottom/process"] != before["bottom/process"]


def test_a_services_servers_are_up_before_its_process_and_down_after_it(
    bench: Bench, binaries: Binaries, postgres_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_CACHE", str(postgres_cache))
    server = Postgres(env={"DATABASE_URL": "postgresql://{user}:{password}@{host}:{port}/{database}"})
    top = service("top", postgres=(server,))
    with bench.stack(top, postgres={"top/postgres": binaries}) as stack:
        stack.start()
        assert [lease.kind for lease in stack.leases] == ["postgres", "process"]
        lease = stack.leases[0]
        assert bench.given("top")["DATABASE_URL"] == lease.env["DATABASE_URL"]
        assert "DATABASE_URL" not in stack.environment(top, servers=False)
        assert stack.servers == (f"PostgreSQL {binaries.version} ({binaries.origin})",)
        assert stack.redactor.text(f"<{lease.values['password']}>") == "<[redacted]>"
    names = [each["event"] for each in bench.events()]
    assert names.index("process.stopped") < names.index("postgres.stopped")
    assert {path.name for path in bench.box.folder.iterdir()} <= {"control"}
