"""What every request has: an id, a log line, and a problem when it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from cs1.api.request_context import RequestContext


def broken_app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(RequestContext)

    @app.get("/crash")
    def crash() -> None:
        raise RuntimeError("planted")

    @app.get("/break-off")
    def break_off() -> StreamingResponse:
        def chunks() -> Iterator[bytes]:
            yield b"begun"
            raise RuntimeError("planted")

        return StreamingResponse(chunks())

    return app


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    [record] = [record for record in caplog.records if record.message == "request"]
    found: dict[str, object] = record.__dict__["fields"]
    return found


def test_the_caller_s_request_id_comes_back(http: TestClient) -> None:
    answer = http.get("/health", headers={"X-Request-Id": "r-42"})
    assert answer.headers["X-Request-Id"] == "r-42"


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, 'a"b'])
def test_a_request_without_a_usable_id_gets_one(http: TestClient, given: str) -> None:
    answer = http.get("/health", headers={"X-Request-Id": given})
    assert len(answer.headers["X-Request-Id"]) == 32


def test_a_request_is_logged_without_its_query_and_headers(
    http: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cs1")
    http.get("/health?token=s3cret", headers={"Authorization": "Bearer s3cret"})
    logged = fields(caplog)
    assert (logged["method"], logged["path"], logged["status"]) == ("GET", "/health", 200)
    assert "s3cret" not in str([record.__dict__ for record in caplog.records if record.name[:3] == "cs1"])


def test_an_unknown_path_is_a_problem(http: TestClient) -> None:
    answer = http.get("/nowhere")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_wrong_method_names_the_right_ones(http: TestClient) -> None:
    answer = http.delete("/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_a_body_that_is_not_json_is_a_problem(http: TestClient) -> None:
    answer = http.post("/accounts", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")


def test_an_unhandled_error_is_told_to_the_log_and_not_to_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with TestClient(broken_app()) as client:
        answer = client.get("/crash")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert "planted" not in answer.text
    [record] = [record for record in caplog.records if record.message == "unhandled error"]
    assert "planted" in str(record.exc_info)


def test_an_answer_that_broke_off_is_not_finished_as_if_nothing_had_happened() -> None:
    with TestClient(broken_app()) as client, pytest.raises(RuntimeError, match="planted"):
        client.get("/break-off")
