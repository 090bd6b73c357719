from __future__ import annotations

import json
import logging
import sys
from typing import Any

from plant.logs import JsonFormatter, request_id


def line(**more: Any) -> dict[str, Any]:
    record = logging.makeLogRecord(
        {
            "name": "plant.api",
            "levelname": "INFO",
            "msg": "created %s",
            "args": ("Anna",),
            "created": 0.5,
            **more,
        }
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_says_when_who_and_what() -> None:
    assert line() == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "info",
        "logger": "plant.api",
        "message": "created Anna",
    }


def test_a_line_names_its_request() -> None:
    token = request_id.set("r-1")
    try:
        assert line()["request_id"] == "r-1"
    finally:
        request_id.reset(token)


def test_fields_stand_beside_the_message() -> None:
    assert line(fields={"status": 201})["status"] == 201


def test_a_traceback_stays_on_its_line() -> None:
    try:
        int("two\nlines")
    except ValueError:
        parsed = line(exc_info=sys.exc_info())
    assert parsed["exception"].startswith("Traceback")
