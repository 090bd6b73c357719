"""Redis' protocol, against small servers that answer what they are told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from noxlib import resp
from noxlib.resp import Connection, Endpoint, ReplyError

Server = Callable[..., Endpoint]


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve one client: each of its messages is kept and gets the next of the answers; then hang up."""
    with contextlib.ExitStack() as stack:

        def serve(*answers: bytes, heard: list[bytes] | None = None, **endpoint: object) -> Endpoint:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def answer() -> None:
                client, _ = listener.accept()
                with client:
                    for each in answers:
                        message = client.recv(65536)
                        if heard is not None:
                            heard.append(message)
                        client.sendall(each)

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            return Endpoint(host="127.0.0.1", port=listener.getsockname()[1], **endpoint)  # type: ignore[arg-type]

        yield serve


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"+PONG\r\n", "PONG"),
        (b":42\r\n", 42),
        (b":-1\r\n", -1),
        (b"$5\r\na\r\nbc\r\n", "a\r\nbc"),
        (b"$0\r\n\r\n", ""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*3\r\n+a\r\n$1\r\nb\r\n*1\r\n:1\r\n", ["a", "b", [1]]),
        (b"$2\r\n\xff\xfe\r\n", "\udcff\udcfe"),
    ],
)
def test_a_reply_becomes_a_value(server: Server, answer: bytes, reply: object) -> None:
    with Connection(server(answer)) as connection:
        assert connection.call("X") == reply


def test_words_are_sent_with_their_lengths_in_bytes(server: Server) -> None:
    heard: list[bytes] = []
    with Connection(server(b"+OK\r\n", heard=heard)) as connection:
        connection.call("SET", "clé", "a b\r\n")
    assert heard == [b"*3\r\n$3\r\nSET\r\n$4\r\ncl\xc3\xa9\r\n$5\r\na b\r\n\r\n"]


def test_a_connection_proves_itself_and_chooses_its_database(server: Server) -> None:
    heard: list[bytes] = []
    endpoint = server(b"+OK\r\n", b"+OK\r\n", heard=heard, password="secret", database=3)
    Connection(endpoint).close()
    assert heard == [b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"]
    assert "secret" not in repr(endpoint)


def test_a_refusal_is_an_error_that_names_the_command(server: Server) -> None:
    with pytest.raises(ReplyError, match="AUTH: WRONGPASS invalid") as caught:
        Connection(server(b"-WRONGPASS invalid\r\n", password="secret"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n", b"\x00\x00\n", b":x\r\n", b"$\r\n"])
def test_what_isnt_redis_is_said(server: Server, nonsense: bytes) -> None:
    with (
        Connection(server(nonsense)) as connection,
        pytest.raises(ReplyError, match="isn't a Redis server"),
    ):
        connection.call("PING")


@pytest.mark.parametrize("cut", [b"", b"$5\r\nab"])
def test_a_server_that_hangs_up_is_said(server: Server, cut: bytes) -> None:
    with Connection(server(cut)) as connection, pytest.raises(ConnectionResetError):
        connection.call("GET", "x")


def test_info_is_a_table(server: Server) -> None:
    text = b"# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n"
    with Connection(server(b"$%d\r\n%s\r\n" % (len(text), text))) as connection:
        assert resp.information(connection, "server") == {"redis_version": "7.0.15", "executable": "/a:b"}
