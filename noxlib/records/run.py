"""The folder of one run, and the record in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from noxlib.errors import RecordError
from noxlib.files import write_whole
from noxlib.model import Evidence, Record, Verdict, from_json, to_json
from noxlib.redaction import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The folder of one run of one session."""

    folder: Path
    run_id: str

    def write_record(self, record: Record) -> None:
        """Write record.json; from now on this is the session's latest run.

        Raises RecordError when it can't be written.
        """
        write_whole(self.folder / "record.json", json.dumps(to_json(record), indent=2))


def read_record(folder: Path) -> Record:
    """Read a run's record. Raises RecordError when it can't be understood."""
    path = folder / "record.json"
    try:
        return from_json(Record, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{path}: can't be read: {error}", remedy="remove its folder and run again"
        ) from error


def portable(record: Record, *, redactor: Redactor, places: Mapping[Path, str]) -> Record:
    """Return a record as it may be kept: secrets redacted, known folders by their short names.

    `places` says what stands for a folder: `{root: ".", run.folder: "<run>"}`. The longest match
    counts. What noxlib names itself (ids, names, hashes) is left alone.
    """
    folders = sorted(((str(path), name) for path, name in places.items()), key=lambda item: -len(item[0]))
    found = [(re.compile(re.escape(path) + r"(?![\w-])"), name) for path, name in folders]

    def shown(value: Any) -> Any:
        if isinstance(value, str):
            text = redactor.text(value)
            for pattern, name in found:
                text = pattern.sub(name, text)
            return text
        if isinstance(value, list):
            return [shown(item) for item in value]
        if isinstance(value, dict):
            return {key: shown(item) for key, item in value.items()}
        return value

    return replace(
        record,
        verdict=from_json(Verdict, shown(to_json(record.verdict))),
        evidence=from_json(Evidence, shown(to_json(record.evidence))),
    )
