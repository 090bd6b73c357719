"""How a service's bad days are lived with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx2
import pytest
from pydantic import BaseModel

from gateway.breaker import Breaker, Circuit
from gateway.errors import UpstreamRefusedError, UpstreamUnavailableError
from gateway.logs import request_id
from gateway.upstream.service import TRIES, Service


class Pong(BaseModel):
    pong: int


Answer = httpx2.Response | Exception
GOOD = httpx2.Response(200, json={"pong": 1})


class Peer:
    """Gives the answers of a list in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.slept: list[float] = []
        self.breaker = Breaker(failures=2 * TRIES, seconds=5.0, clock=lambda: 0.0)
        transport = httpx2.MockTransport(self._answer)
        self.service = Service("peer", "http://peer.test", 1.0, transport, self.breaker, self.slept.append)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ping(self) -> Pong:
        return self.service.ask("GET", "/ping", Pong)


@pytest.mark.parametrize(
    "bad",
    [httpx2.ConnectError("refused"), httpx2.RemoteProtocolError("cut off"), httpx2.Response(503)],
    ids=["no connection", "cut off", "503"],
)
def test_what_passes_by_itself_is_tried_again_after_a_growing_pause(bad: Answer) -> None:
    peer = Peer(bad, bad, GOOD)
    assert peer.ping().pong == 1
    first, second = peer.slept
    assert 0.025 <= first <= 0.05 <= second <= 0.1
    assert peer.breaker.circuit is Circuit.CLOSED


def test_three_tries_are_all() -> None:
    peer = Peer(httpx2.Response(502))
    with pytest.raises(UpstreamUnavailableError, match="peer answered 502"):
        peer.ping()
    assert len(peer.requests) == TRIES
    assert len(peer.slept) == TRIES - 1


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (httpx2.ReadTimeout("slow"), "didn't answer in time"),
        (httpx2.Response(500), "answered 500"),
        (httpx2.Response(302, headers={"Location": "http://elsewhere.test"}), "answered 302"),
        (httpx2.Response(200, text="<html>"), "no sense"),
        (httpx2.Response(200, json={"pong": "x"}), "no sense"),
    ],
)
def test_what_would_not_get_better_is_not_tried_again(answer: Answer, fault: str) -> None:
    peer = Peer(answer)
    with pytest.raises(UpstreamUnavailableError, match=fault) as caught:
        peer.ping()
    assert (len(peer.requests), caught.value.retry_after) == (1, 1.0)


def test_an_answer_that_comes_in_drips_is_given_up_in_time() -> None:
    """Each piece comes soon enough, all of them together don't."""
    sent = []

    def drips() -> Iterator[bytes]:
        for piece in (b'{"pong"', b": 1", *[b" "] * 100, b"}"):
            time.sleep(0.02)
            sent.append(piece)
            yield piece

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=drips())

    service = Service("peer", "http://peer.test", 0.1, httpx2.MockTransport(answer))
    with pytest.raises(UpstreamUnavailableError, match="didn't answer in time"):
        service.ask("GET", "/ping", Pong)
    assert len(sent) <= 6


def test_the_body_of_an_answer_that_began_too_late_is_not_waited_for() -> None:
    waited = []

    def body() -> Iterator[bytes]:
        waited.append(1)
        yield b'{"pong": 1}'

    def answer(_: httpx2.Request) -> httpx2.Response:
        time.sleep(0.02)
        return httpx2.Response(200, content=body())

    service = Service("peer", "http://peer.test", 0.01, httpx2.MockTransport(answer))
    with pytest.raises(UpstreamUnavailableError, match="didn't answer in time"):
        service.ask("GET", "/ping", Pong)
    assert waited == []


def test_who_fails_again_and_again_is_left_alone() -> None:
    peer = Peer(httpx2.ConnectError("refused"))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailableError, match="can't be reached"):
            peer.ping()
    asked = len(peer.requests)
    with pytest.raises(UpstreamUnavailableError, match="left alone") as caught:
        peer.ping()
    assert (len(peer.requests), caught.value.retry_after) == (asked, 5.0)


@pytest.mark.parametrize(
    ("answer", "slug", "words"),
    [
        (
            httpx2.Response(409, json={"type": "urn:x:problem:no-funds", "detail": "too poor"}),
            "no-funds",
            "too poor",
        ),
        (httpx2.Response(404, json={"title": "Not found"}), "unknown", "Not found"),
        (httpx2.Response(422, text="<html>"), "unknown", "422"),
        (httpx2.Response(400, json=["?"]), "unknown", "400"),
    ],
)
def test_a_refusal_is_final_and_no_failure(answer: httpx2.Response, slug: str, words: str) -> None:
    peer = Peer(answer)
    with pytest.raises(UpstreamRefusedError, match=f"peer: {words}") as caught:
        peer.ping()
    assert (caught.value.problem, caught.value.status) == (slug, answer.status_code)
    assert (len(peer.requests), peer.breaker.circuit) == (1, Circuit.CLOSED)


def test_the_caller_s_request_id_goes_with_it() -> None:
    peer = Peer(GOOD)
    token = request_id.set("r-1")
    try:
        peer.ping()
    finally:
        request_id.reset(token)
    peer.ping()
    peer.service.close()
    assert [request.headers.get("X-Request-Id") for request in peer.requests] == ["r-1", None]


def test_a_trial_after_a_while_brings_it_back() -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731  one line
    breaker = Breaker(failures=1, seconds=1.0, clock=clock)
    answers: list[Answer] = [httpx2.ReadTimeout("slow"), GOOD]

    def answer(_: httpx2.Request) -> httpx2.Response:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    service = Service("peer", "http://peer.test", 1.0, httpx2.MockTransport(answer), breaker)
    with pytest.raises(UpstreamUnavailableError):
        service.ask("GET", "/ping", Pong)
    now[0] = 1.0
    assert service.ask("GET", "/ping", Pong).pong == 1
    assert breaker.circuit is Circuit.CLOSED
