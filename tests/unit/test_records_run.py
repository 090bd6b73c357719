from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_records import record

from noxlib.errors import RecordError
from noxlib.model import Evidence, Finding, Record, Verdict
from noxlib.records import Run, portable, read_record
from noxlib.redaction import Redactor


def _record(error: str = "", details: tuple[str, ...] = ()) -> Record:
    return record(
        verdict=Verdict(
            passed=False, findings=(Finding(gate="suite", passed=False, summary="x", details=details),)
        ),
        evidence=Evidence(suite_exit=1, suite_seconds=1.0, ready_seconds=0.1, error=error),
        counts={"failed": 1},
    )


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = Run(folder=tmp_path, run_id="1")

    run.write_record(_record("a", ("b", "ü")))

    assert read_record(tmp_path) == _record("a", ("b", "ü"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"plan": 3}', '"text"'])
def test_a_record_that_makes_no_sense_is_an_error_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)

    with pytest.raises(RecordError, match=r"record\.json: can't be read") as caught:
        read_record(tmp_path)

    assert "run again" in caught.value.remedy


def test_a_record_that_is_missing_or_binary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        read_record(tmp_path)
    (tmp_path / "record.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError):
        read_record(tmp_path)


def test_a_kept_record_has_no_absolute_path_and_no_secret() -> None:
    root, folder = Path("/home/me/acme"), Path("/home/me/acme/.noxlib/runs/main/unit-cs1/1")
    record = _record(
        f"migration failed with hunter2 in {root}: see {folder}/logs/migrate.log",
        (f"{root}/services/cs1/tests/test_a.py:3", f"log: {folder}"),
    )

    kept = portable(record, redactor=Redactor(["hunter2"]), places={root: ".", folder: "<run>"})

    assert kept.evidence.error == "migration failed with [redacted] in .: see <run>/logs/migrate.log"
    assert kept.verdict.findings[0].details == ("./services/cs1/tests/test_a.py:3", "log: <run>")
    assert "/home/me" not in json.dumps(kept.evidence.error)


def test_what_noxlib_names_itself_is_not_redacted() -> None:
    kept = portable(_record(), redactor=Redactor(["unit", "cs1", "1"]), places={})

    assert (kept.plan, kept.run_id, kept.counts) == (_record().plan, "1", {"failed": 1})


def test_a_folder_that_only_begins_alike_is_left_alone() -> None:
    kept = portable(
        _record("/srv/acme-old/x and /srv/acme"), redactor=Redactor(), places={Path("/srv/acme"): "."}
    )

    assert kept.evidence.error == "/srv/acme-old/x and ."
