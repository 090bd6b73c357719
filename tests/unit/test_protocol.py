from __future__ import annotations

import io
import json

import pytest

from noxlib import protocol
from noxlib.errors import ProtocolError
from noxlib.protocol import Request, Response


def frame(**changes: object) -> bytes:
    data = {"v": 1, "id": 7, "token": "t", "do": "ping", "args": {}, **changes}
    return json.dumps(data).encode() + b"\n"


@pytest.mark.parametrize(
    "message",
    [
        Request(id=1, token="t", do=protocol.POSTGRES_KILL, args={"resource": "cs1/postgres"}),
        Response(id=1, result={"pid": 7}),
        Response(id=1, ok=False, error="gone", remedy="start it"),
    ],
)
def test_a_message_survives_the_way_to_the_other_side(message: Request | Response) -> None:
    assert protocol.decode(type(message), protocol.encode(message)) == message


def test_a_frame_is_one_line_with_a_version() -> None:
    sent = protocol.encode(Response(id=1, result="two\nlines"))
    assert sent.count(b"\n") == 1
    assert json.loads(sent) == {"v": 1, "id": 1, "ok": True, "result": "two\nlines"}


@pytest.mark.parametrize(
    ("nonsense", "said"),
    [
        (b"", "closed the connection"),
        (b"\xff\n", "isn't JSON"),
        (b"[" * 50_000 + b"\n", "isn't JSON"),
        (b"[]\n", "isn't a JSON object"),
        (frame(v=2), "of version 2"),
        (frame(id="1"), "`id`"),
        (frame(id=True), "`id`"),
        (frame(token=None), "`token`"),
        (frame(do=3), "`do`"),
        (frame(args=[]), "`args`"),
        (frame(do="postgres.kil"), 'Did you mean "postgres.kill"?'),
        (frame(do="x"), "One of: ping"),
        (frame(do="postgres.kill", args={"resourse": "a"}), 'Did you mean "resource"?'),
        (frame(args={"zz": 1}), "One of: none"),
        (frame(args={"resource": "x" * 70_000}), "more than 65536 bytes"),
    ],
)
def test_nonsense_is_refused_and_named(nonsense: bytes, said: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.decode(Request, nonsense)
    assert said in str(caught.value)


@pytest.mark.parametrize("answer", [{}, {"ok": 1}, {"ok": False, "error": 1}, {"ok": False, "error": "e"}])
def test_a_response_without_its_parts_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="a message whose"):
        protocol.decode(Response, json.dumps({"v": 1, "id": 1, **answer}).encode())


def test_a_message_that_no_frame_can_hold_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="more than 65536"):
        protocol.encode(Response(id=1, result="x" * 70_000))
    with pytest.raises(ProtocolError, match="can't be written as JSON"):
        protocol.encode(Response(id=1, result={1, 2}))


def test_a_stream_gives_frame_after_frame() -> None:
    stream = io.BytesIO(b"one\ntwo\n")
    assert [protocol.read_frame(stream) for _ in range(3)] == [b"one\n", b"two\n", None]


def test_a_frame_that_is_cut_or_endless_is_refused() -> None:
    with pytest.raises(ProtocolError, match="in the middle"):
        protocol.read_frame(io.BytesIO(b"half"))
    with pytest.raises(ProtocolError, match="more than 65536"):
        protocol.read_frame(io.BytesIO(b"x" * 200_000))


def test_a_token_is_compared_and_never_shown() -> None:
    request = Request(id=1, token="s3cret", do="ping")
    assert request.authentic("s3cret")
    assert not request.authentic("s3cre")
    assert "s3cret" not in repr(request)


def test_a_client_says_that_nobody_listens(tmp_path: object) -> None:
    # No socket is opened here: the path is too long for one, and the kernel isn't asked.
    client = protocol.Client(f"{tmp_path}/" + "x" * 200, "t")
    with client, pytest.raises(ProtocolError, match="can't be reached"):
        client.call(protocol.PING)
