"""The control socket under friends and foes: a real Unix socket, resources that only remember."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from waiting import eventually

from noxlib import protocol
from noxlib.errors import ProtocolError, ResourceError
from noxlib.protocol import Client, Response
from noxlib.resources.control import MAX_CLIENTS, ControlServer


@dataclass
class Fake:
    """A resource that remembers what it was told; `slow` is how it holds a fault up."""

    told: list[str] = field(default_factory=list)
    slow: Callable[[], object] = bool
    sick: bool = False

    def __getattr__(self, verb: str) -> Callable[[], None]:
        if verb not in {"kill", "stop", "restart", "pause", "resume"}:
            raise AttributeError(verb)

        def do() -> None:
            self.told.append(verb)
            self.slow()
            self.told.append(f"{verb} done")

        return do

    def death(self, when: str) -> str:
        return f"died {when}" if self.sick else ""

    def wait_healthy(self, timeout: float) -> None:
        self.told.append(f"wait {timeout:g}")
        if self.sick:
            raise ResourceError("cs1/process: never ready", remedy="see the log")


@dataclass
class Session:
    server: ControlServer
    path: Path
    resources: dict[str, Fake]
    trail: Any

    def client(self, token: str | None = None) -> Client:
        return Client(str(self.path), self.server.token if token is None else token, timeout=5.0)

    @contextlib.contextmanager
    def raw(self) -> Iterator[tuple[socket.socket, BinaryIO]]:
        """Connect without good manners."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            sock.settimeout(5.0)
            with sock.makefile("rb") as stream:
                yield sock, stream

    def works(self) -> bool:
        with self.client() as client, contextlib.suppress(ProtocolError):
            return bool(client.call("ping") == {"resources": sorted(self.resources)})
        return False


@pytest.fixture
def session(box_folder: Path, trail: Callable[..., None]) -> Iterator[Session]:
    path = box_folder / "control"
    names = ("cs1/postgres", "cs1/postgres.audit", "cs1/process", "postgres-app/process")
    resources: dict[str, Any] = {name: Fake() for name in names}
    with ControlServer(path, lambda: resources, trail) as server:
        yield Session(server=server, path=path, resources=resources, trail=trail)
        threads = [each for each in threading.enumerate() if "process_request_thread" in each.name]
    for thread in threads:
        thread.join(5.0)
        assert not thread.is_alive(), "a client that left still has its thread"


# --- requests -------------------------------------------------------------------------------


def test_a_ping_tells_what_runs_to_the_sockets_owner_alone(session: Session) -> None:
    assert session.works()
    assert session.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("verb", ["kill", "restart", "pause", "resume"])
def test_a_fault_is_done_to_the_resource_that_is_named_and_to_no_other(session: Session, verb: str) -> None:
    with session.client() as client:
        assert client.call(f"postgres.{verb}", {"resource": "cs1/postgres.audit"}) is None
    assert session.trail == [(f"control.postgres.{verb}", {"resource": "cs1/postgres.audit"})]
    assert session.resources.pop("cs1/postgres.audit").told == [verb, f"{verb} done"]
    assert not any(each.told for each in session.resources.values())


def test_to_start_a_process_is_to_restart_it(session: Session) -> None:
    with session.client() as client:
        client.call("process.stop", {"resource": "cs1/process"})
        client.call("process.start", {"resource": "cs1/process"})
    assert session.resources["cs1/process"].told == ["stop", "stop done", "restart", "restart done"]


@pytest.mark.parametrize(
    ("do", "args"),
    [
        ("process.kill", {}),
        ("process.kill", {"resource": "cs2/process"}),
        ("process.kill", {"resource": "cs1/postgres"}),
        ("postgres.kill", {"resource": "postgres-app/process"}),
        ("database.acquire", {"resource": "cs1/process"}),
        ("resource.wait", {"resource": "cs1/prozess"}),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(session: Session, do: str, args: dict[str, str]) -> None:
    with (
        session.client() as client,
        pytest.raises(ProtocolError, match=r"no .*resource '.*' in this session") as caught,
    ):
        client.call(do, args)
    assert "cs1/postgres, cs1/postgres.audit, cs1/process" in caught.value.remedy
    assert not any(each.told for each in session.resources.values())


def test_waiting_asks_every_resource_or_the_one_that_is_named(session: Session) -> None:
    with session.client() as client:
        client.call("resource.wait", {"timeout": 3, "resource": "cs1/process"})
        assert [each.told for each in session.resources.values()] == [[], [], ["wait 3"], []]
        client.call("resource.wait")
    assert all(each.told[-1] == "wait 10" for each in session.resources.values())


def test_an_error_reaches_the_client_with_its_remedy_and_the_connection_lives_on(session: Session) -> None:
    session.resources["cs1/process"].sick = True
    with session.client() as client:
        with pytest.raises(ProtocolError, match="cs1/process: never ready") as caught:
            client.call("resource.wait")
        assert caught.value.remedy == "see the log"
        assert client.call("ping")


# --- foes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "guess", "güss"])
def test_a_wrong_token_is_refused_and_nothing_is_done(session: Session, token: str) -> None:
    with session.client(token) as client, pytest.raises(ProtocolError, match="wrong token"):
        client.call("process.kill", {"resource": "cs1/process"})
    assert session.resources["cs1/process"].told == []


@pytest.mark.parametrize(
    ("nonsense", "said"),
    [
        (b"GET / HTTP/1.1\xff\r\n\r\n", "isn't JSON"),
        (b'{"v": 9, "id": 1}\n', "of version 9"),
        (b"x" * protocol.FRAME_BYTES + b"\n", "more than 65536 bytes"),
        (
            b'{"v":1,"id":1,"token":"t","do":"process.kill","args":{"resource":[1]}}\n',
            "`resource` isn't a str",
        ),
        (
            b'{"v":1,"id":1,"token":"t","do":"resource.wait","args":{"timeout":"1"}}\n',
            "`timeout` isn't a float",
        ),
    ],
)
def test_nonsense_is_answered_once_then_the_connection_ends(
    session: Session, nonsense: bytes, said: str
) -> None:
    with session.raw() as (sock, stream):
        sock.sendall(nonsense)
        answer = protocol.decode(Response, stream.readline())
        assert (answer.id, answer.ok) == (0, False)
        assert said in answer.error
        with contextlib.suppress(ConnectionResetError):
            assert stream.read() == b""
    assert session.works()


@pytest.mark.parametrize("sent", [b"", b'{"v": 1, "id": 1, "tok', b"\n"])
def test_clients_that_leave_in_the_middle_cost_nothing(session: Session, sent: bytes) -> None:
    for _ in range(MAX_CLIENTS + 10):
        with session.raw() as (sock, _):
            sock.sendall(sent)
    assert eventually(session.works)


def test_a_client_that_leaves_before_its_answer_does_not_undo_the_request(session: Session) -> None:
    gate = threading.Event()
    process = session.resources["cs1/process"]
    process.slow = lambda: gate.wait(5)
    request = {"v": 1, "id": 1, "token": session.server.token, "do": "process.kill"}
    with session.raw() as (sock, _):
        sock.sendall(json.dumps({**request, "args": {"resource": "cs1/process"}}).encode() + b"\n")
        assert eventually(lambda: process.told == ["kill"])
    gate.set()
    assert eventually(lambda: process.told == ["kill", "kill done"])
    assert session.works()


def test_a_flood_is_refused_and_the_first_clients_are_still_served(session: Session) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(session.client()) for _ in range(MAX_CLIENTS)]
        for client in clients:
            assert client.call("ping")
        for _ in range(10):
            with session.raw() as (_, stream), contextlib.suppress(ConnectionResetError):
                assert stream.read() == b""
        assert all(client.call("ping") for client in clients)
        clients[0].close()
        assert eventually(session.works)


def test_a_silent_client_is_hung_up_on_and_heard_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.1)
    with session.client() as client:
        assert client.call("ping")
        assert eventually(lambda: not any("process_request" in each.name for each in threading.enumerate()))
        assert client.call("ping")


# --- several at once, and the end -----------------------------------------------------------


def test_clients_at_once_get_their_own_answers(session: Session) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: session.works(), range(400)))


def test_faults_wait_for_one_another_and_questions_for_none(session: Session) -> None:
    gate = threading.Event()
    slow, other = session.resources["cs1/process"], session.resources["cs1/postgres"]
    slow.slow = lambda: gate.wait(5)
    with ThreadPoolExecutor(2) as pool, session.client() as one, session.client() as two:
        first = pool.submit(one.call, "process.restart", {"resource": "cs1/process"})
        assert eventually(lambda: slow.told == ["restart"])
        second = pool.submit(two.call, "postgres.kill", {"resource": "cs1/postgres"})
        assert session.works()
        time.sleep(0.1)
        assert other.told == []
        gate.set()
        first.result(5)
        second.result(5)
    assert other.told == ["kill", "kill done"]


def test_after_the_end_nobody_is_let_in(box_folder: Path, trail: Any) -> None:
    with ControlServer(box_folder / "control", dict, trail) as server:
        token = server.token
    with (
        Client(str(box_folder / "control"), token) as client,
        pytest.raises(ProtocolError, match="can't be reached: Connection refused") as caught,
    ):
        client.call("ping")
    assert "its session may have ended" in caught.value.remedy
