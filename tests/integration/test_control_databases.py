"""Databases over the control socket: a connection is a lease's lifetime, whatever becomes of its client."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from noxlib import launch, protocol
from noxlib.errors import ProtocolError, ResourceError
from noxlib.model import Address, Lease, from_json
from noxlib.protocol import DATABASE_ACQUIRE, DATABASE_RELEASE, Client
from noxlib.resources import control
from noxlib.resources.control import ControlServer

Start = Callable[..., Any]  # a Running, see conftest.py
NAME = "a/postgres"
HOLDER = """
import sys, time
from noxlib.protocol import Client
client = Client(sys.argv[1], sys.argv[2])
print(client.call("database.acquire", {"resource": "a/postgres"})["values"]["database"], flush=True)
time.sleep(60)
"""


@dataclass
class Databases:
    """A server that numbers its databases and remembers what came back."""

    name: str
    released: list[tuple[str, bool]] = field(default_factory=list)
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    broken: bool = False

    def acquire(self) -> Lease:
        if self.broken:
            raise ResourceError(f"{self.name}: no room", remedy="free some")
        values = {"database": f"test_{next(self.count)}"}
        return Lease(resource=self.name, kind="postgres", address=Address(), values=values)

    def release(self, database: str, *, failed: bool = False) -> None:
        self.released.append((database, failed))


@dataclass
class Session:
    server: ControlServer
    path: Path
    resources: dict[str, Databases]

    @property
    def postgres(self) -> Databases:
        return self.resources[NAME]

    def client(self) -> Client:
        return Client(str(self.path), self.server.token, timeout=5.0)

    @contextlib.contextmanager
    def raw(self) -> Iterator[socket.socket]:
        """Connect without good manners."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5.0)
            sock.connect(str(self.path))
            yield sock


@pytest.fixture
def session(box_folder: Path, trail: Callable[..., None]) -> Iterator[Session]:
    path = box_folder / "control"
    resources: dict[str, Any] = {
        NAME: Databases(NAME),
        "a/postgres.audit": Databases("a/postgres.audit"),
        "a/process": object(),
    }
    with ControlServer(path, lambda: resources, trail) as server:
        yield Session(server=server, path=path, resources=resources)


def acquire(client: Client, resource: str = NAME) -> str:
    lease = from_json(Lease, client.call(DATABASE_ACQUIRE, {"resource": resource}))
    assert lease.resource == resource
    return lease.values["database"]


@pytest.mark.parametrize("failed", [False, True])
def test_a_database_is_acquired_and_released_once(session: Session, failed: bool) -> None:
    with session.client() as client:
        assert acquire(client) == "test_1"
        client.call(DATABASE_RELEASE, {"resource": NAME, "database": "test_1", "failed": failed})
        assert session.postgres.released == [("test_1", failed)]
    assert not eventually(lambda: len(session.postgres.released) > 1, 0.2)


def test_each_server_has_databases_of_its_own(session: Session) -> None:
    with session.client() as client:
        assert acquire(client) == acquire(client, "a/postgres.audit") == "test_1"
        client.call(DATABASE_RELEASE, {"resource": "a/postgres.audit", "database": "test_1"})
        assert session.postgres.released == []
    assert eventually(lambda: session.postgres.released == [("test_1", False)])


def test_a_client_that_closes_gives_all_its_databases_back(session: Session) -> None:
    client, neighbour = session.client(), session.client()
    for each in (client, neighbour, client):
        acquire(each)
    client.close()
    assert eventually(lambda: sorted(session.postgres.released) == [("test_1", False), ("test_3", False)])
    neighbour.close()
    assert eventually(lambda: ("test_2", False) in session.postgres.released)


def test_a_killed_process_gives_its_database_back(session: Session) -> None:
    said = bytearray()
    child = launch.start(
        [sys.executable, "-c", HOLDER, str(session.path), session.server.token],
        launch.Setting(env={"PYTHONPATH": str(Path(__file__).parents[2])}, sink=said.extend),
    )
    try:
        assert eventually(lambda: bool(said), 10.0)
        assert said.decode().strip() == "test_1"
        assert session.postgres.released == []
        os.kill(child.pid, signal.SIGKILL)
        assert eventually(lambda: session.postgres.released == [("test_1", False)])
    finally:
        child.stop(0.0)


def test_a_real_servers_database_is_dropped_when_its_client_has_gone(
    started: Start, box_folder: Path, trail: Any
) -> None:
    running = started()
    names = "SELECT array_agg(datname::text) FROM pg_database"
    with ControlServer(box_folder / "c", lambda: {NAME: running.resource}, trail) as server:
        client = Client(str(box_folder / "c"), server.token)
        name = acquire(client)
        assert name in running.ask_socket(names)
        client.close()
        assert eventually(lambda: name not in running.ask_socket(names))


@pytest.mark.parametrize("database", ["test_1", "test_2", "test", ""])
def test_a_client_cant_release_what_it_doesnt_hold(session: Session, database: str) -> None:
    with session.client() as owner, session.client() as thief:
        acquire(owner)
        with pytest.raises(ProtocolError, match=f"holds no database '{database}' of a/postgres"):
            thief.call(DATABASE_RELEASE, {"resource": NAME, "database": database})
        assert session.postgres.released == []
        owner.call(DATABASE_RELEASE, {"resource": NAME, "database": "test_1"})
        with pytest.raises(ProtocolError, match="holds no database"):
            owner.call(DATABASE_RELEASE, {"resource": NAME, "database": "test_1"})


def test_a_wrong_token_gets_no_database(session: Session) -> None:
    with Client(str(session.path), "guess") as client, pytest.raises(ProtocolError, match="wrong token"):
        acquire(client)
    assert next(session.postgres.count) == 1


def test_answers_to_what_was_posted_are_skipped(session: Session) -> None:
    with session.client() as client:
        for number in range(1, 6):
            assert acquire(client) == f"test_{number}"
            client.post(DATABASE_RELEASE, {"resource": NAME, "database": f"test_{number}"})
            client.post(DATABASE_RELEASE, {"resource": NAME, "database": "not mine"})
        assert NAME in client.call(protocol.PING)["resources"]
        assert len(session.postgres.released) == 5


def test_what_was_posted_before_a_client_leaves_is_done(session: Session) -> None:
    client = session.client()
    acquire(client)
    client.post(DATABASE_RELEASE, {"resource": NAME, "database": "test_1", "failed": True})
    client.close()
    assert eventually(lambda: session.postgres.released == [("test_1", True)])


def test_a_post_to_a_session_that_has_ended_is_said(box_folder: Path) -> None:
    client = Client(str(box_folder / "nobody"), "token")
    with pytest.raises(ProtocolError, match="the supervisor can't be reached"):
        client.post(DATABASE_RELEASE, {"resource": NAME, "database": "test_1"})


@pytest.mark.parametrize("resource", ["a/mysql", "a/process", ""])
def test_a_resource_without_databases_is_said_with_what_there_is(session: Session, resource: str) -> None:
    with (
        session.client() as client,
        pytest.raises(ProtocolError, match=f"no database resource '{resource}'") as caught,
    ):
        acquire(client, resource)
    assert "a/postgres, a/postgres.audit, a/process" in caught.value.remedy


def test_a_server_that_has_none_says_why_and_the_client_goes_on(session: Session) -> None:
    with session.client() as client:
        session.postgres.broken = True
        with pytest.raises(ProtocolError, match="a/postgres: no room") as caught:
            acquire(client)
        assert caught.value.remedy == "free some"
        session.postgres.broken = False
        assert acquire(client) == "test_1"


def test_who_holds_a_database_may_take_his_time(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.2)
    monkeypatch.setattr(control._Handler, "timeout", 0.2)  # noqa: SLF001  it was read when the class was made
    with session.client() as holder, session.raw() as idle:
        acquire(holder)
        begun = time.monotonic()
        assert idle.recv(1) == b"", "a silent client that holds nothing is hung up on"
        assert 0.1 < time.monotonic() - begun < 2.0
        time.sleep(0.3)
        assert session.postgres.released == []
        holder.call(DATABASE_RELEASE, {"resource": NAME, "database": "test_1"})
        assert session.postgres.released == [("test_1", False)]


def test_a_client_that_has_given_all_back_is_timed_out_again_and_heard_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.2)
    with session.client() as client:
        for number in (1, 2):
            assert acquire(client) == f"test_{number}"
            client.post(DATABASE_RELEASE, {"resource": NAME, "database": f"test_{number}"})
            assert eventually(lambda: not handlers()), "its thread ends"


def handlers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "process_request_thread" in each.name]


NONSENSE = [
    b"\x00\xff\xfe" * 1000,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"[]\n" * 100,
    b'{"v": 1, "id": 1, "token": 5, "do": "database.acquire", "args": {}}\n',
    b"x" * (protocol.FRAME_BYTES + 1),
    b'{"v": 1',
]


def test_nonsense_doesnt_disturb_who_holds_a_database(session: Session) -> None:
    with session.client() as holder:
        acquire(holder)
        for sent in NONSENSE:
            with session.raw() as sock, contextlib.suppress(ConnectionError):
                sock.sendall(sent)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
        assert session.postgres.released == []
        assert acquire(holder) == "test_2"


def test_nonsense_behind_an_acquire_gives_the_database_back(session: Session) -> None:
    token = session.server.token
    frame = protocol.encode(protocol.Request(id=1, token=token, do=DATABASE_ACQUIRE, args={"resource": NAME}))
    with session.raw() as sock:
        sock.sendall(frame + b"nonsense\n")
        assert eventually(lambda: session.postgres.released == [("test_1", False)])


def test_a_flood_doesnt_disturb_who_holds_a_database(session: Session) -> None:
    with session.client() as holder, contextlib.ExitStack() as stack:
        acquire(holder)
        for _ in range(200):
            with contextlib.suppress(ConnectionError, BlockingIOError):
                stack.enter_context(session.raw()).sendall(b"{")
        begun = time.monotonic()
        for number in range(2, 12):
            assert acquire(holder) == f"test_{number}"
            holder.post(DATABASE_RELEASE, {"resource": NAME, "database": f"test_{number}"})
        assert time.monotonic() - begun < 2.0
        assert len(handlers()) <= control.MAX_CLIENTS
        assert ("test_1", False) not in session.postgres.released
    assert eventually(lambda: not handlers())
    with session.client() as later:
        assert acquire(later) == "test_12"
