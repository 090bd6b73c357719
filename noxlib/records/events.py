"""The audit trail: everything started, stopped, leased and judged, one JSON object a line."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from pathlib import Path
from typing import Any

from noxlib.redaction import Redactor


class Events:
    """Append events to a file: `{"t": <ISO 8601, UTC>, "event": "postgres.started", ...}`.

    Several threads and processes may append at once. A full disk never ends a run: lines that
    didn't fit are counted in `lost`, and the next one that fits is preceded by an `events.lost`.
    """

    def __init__(self, path: Path, redactor: Redactor | None = None) -> None:
        """Append to `path`; nothing is opened before the first event."""
        self._path = path
        self._redactor = redactor or Redactor()
        self._turn = threading.Lock()
        self._torn = False  # the last line stands there half
        self._unsaid = 0
        self.lost = 0

    def write(self, event: str, /, **fields: Any) -> None:
        """Append one event. Secrets in the fields' values are redacted."""
        with self._turn:
            if self._unsaid and self._append(_line("events.lost", {"lines": self._unsaid})):
                self._unsaid = 0
            if not self._append(_line(event, _redacted(fields, self._redactor))):
                self.lost += 1
                self._unsaid += 1

    def _append(self, line: bytes) -> bool:
        """Append a line by a single write, which the kernel keeps whole among several writers."""
        data = b"\n" + line if self._torn else line
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                written = os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        self._torn = written < len(data) if written else self._torn
        return written == len(data)


def _line(event: str, fields: dict[str, Any]) -> bytes:
    now = dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds")
    return json.dumps({"t": now, "event": event, **fields}, default=str).encode() + b"\n"


def _redacted(value: Any, redactor: Redactor) -> Any:
    """Redact before JSON escapes quotes and letters, and a secret couldn't be found any more."""
    if isinstance(value, dict):
        return {str(key): _redacted(item, redactor) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(item, redactor) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redactor.text(str(value))
