from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
from pathlib import Path

import pytest
from sample_records import record, session_plan

from noxlib.errors import RecordError
from noxlib.model import Evidence, Finding, Record, Verdict
from noxlib.records import History, State


def _record(run_id: str, session: str = "unit-cs1", seconds: float = 1.0, *, passed: bool = True) -> Record:
    kind = session.partition("-")[0]
    return record(
        run_id=run_id,
        plan=session_plan(session, tags=(kind,)),
        verdict=Verdict(passed=passed, findings=(Finding(gate="suite", passed=passed, summary="ran"),)),
        evidence=Evidence(suite_exit=0, suite_seconds=seconds, ready_seconds=0.1),
        fingerprint="f" * 8,
        seconds=seconds,
        counts={"passed": 3},
        coverage=97.5,
    )


def _rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def test_what_was_added_comes_back_for_its_checkout(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(_record("1", seconds=1.0), "main")
    history.add(_record("3", seconds=3.0), "fix-7")
    history.add(_record("2", seconds=2.0), "main")

    assert history.latest("unit-cs1", "main") == _record("2", seconds=2.0)
    assert history.latest("unit-cs1", "fix-7") == _record("3", seconds=3.0)
    assert history.latest("unit-cs2", "main") is None


def test_an_empty_history_is_not_made_by_reading(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")

    assert history.durations() == {}
    assert history.latest("unit-cs1", "main") is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_added_twice_is_one_row(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(_record("1"), "main")
    history.add(_record("1", seconds=2.0), "main")

    assert history.durations() == {"unit-cs1": 2.0}


def test_a_duration_is_the_median_of_the_last_five_that_passed(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    for number, seconds in enumerate([900.0, 800.0, 1.0, 2.0, 3.0, 4.0, 50.0]):
        history.add(_record(f"{number}", seconds=seconds), "main")
    history.add(_record("9", seconds=700.0, passed=False), "main")
    for number, seconds in enumerate([2.0, 4.0]):
        history.add(_record(f"b{number}", "race-cs1", seconds), "main")
    history.add(_record("c", "e2e-cs1", passed=False), "main")

    assert history.durations() == {"unit-cs1": 3.0, "race-cs1": 3.0}


def test_the_state_keeps_its_history_by_checkout(tmp_path: Path) -> None:
    state = State(folder=tmp_path, checkout="fix-7")

    state.add_to_history(_record("1"))

    assert state.durations() == {"unit-cs1": 1.0}
    assert state.history.latest("unit-cs1", "fix-7") == _record("1")
    assert state.history.latest("unit-cs1", "main") is None


@pytest.mark.parametrize(
    "content",
    [b"not a database at all, but long enough to be looked at" * 40, b"SQLite format 3\0" + b"\xff" * 4096],
)
def test_a_broken_file_is_moved_aside_with_a_notice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(content)

    History(path).add(_record("1"), "main")

    assert _rows(path) == 1
    (aside,) = tmp_path.glob("history.unusable-*.sqlite")
    assert aside.read_bytes() == content
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"it was moved to {aside.name}" in said


def test_a_page_that_was_overwritten_is_found_when_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.sqlite"
    history = History(path)
    for number in range(30):
        history.add(_record(f"{number:03}"), "main")
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xa5" * (path.stat().st_size - 4096))

    history.add(_record("new"), "main")

    assert _rows(path) == 1
    assert "moved to" in capsys.readouterr().err


def test_a_file_of_a_newer_noxlib_is_kept_and_a_new_one_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (something_else TEXT)")
        connection.execute("PRAGMA user_version = 99")

    assert History(path).durations() == {}

    (aside,) = tmp_path.glob("history.unusable-*.sqlite")
    with contextlib.closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    assert "newer noxlib" in capsys.readouterr().err


def test_a_file_that_another_process_has_replaced_meanwhile_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(_record("1"), "main")

    history._move_aside("it was broken a moment ago")  # noqa: SLF001  the race can't be timed from outside

    assert history.latest("unit-cs1", "main") == _record("1")
    assert capsys.readouterr().err == ""


def test_a_place_that_cannot_be_written_is_an_error_and_costs_no_history(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RecordError, match=r"history\.sqlite") as caught:
        History(tmp_path / "file" / "history.sqlite").add(_record("1"), "main")

    assert "NOXLIB_STATE" in caught.value.remedy
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_history_that_is_busy_too_long_is_an_error_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxlib.records.history.BUSY_SECONDS", 0.05)
    path = tmp_path / "history.sqlite"
    history = History(path)
    history.add(_record("1"), "main")
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordError, match="locked"):
            history.add(_record("2"), "main")

    assert _rows(path) == 1
    assert not list(tmp_path.glob("*unusable*"))


def test_durations_of_a_history_that_cannot_be_opened_are_none(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").mkdir()

    assert History(tmp_path / "history.sqlite").durations() == {}


def test_a_row_of_an_older_record_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(_record("1"), "main")
    with contextlib.closing(sqlite3.connect(tmp_path / "history.sqlite")) as connection, connection:
        connection.execute("""UPDATE runs SET record = '{"run_id": "1"}'""")

    with pytest.raises(RecordError, match="can't be read"):
        history.latest("unit-cs1", "main")


def test_no_file_of_the_write_ahead_log_stays(tmp_path: Path) -> None:
    History(tmp_path / "history.sqlite").add(_record("1"), "main")

    assert sorted(os.listdir(tmp_path)) == ["history.lock", "history.sqlite"]  # noqa: PTH208  names only


def test_a_record_of_a_slow_run_counts_whatever_its_fields(tmp_path: Path) -> None:
    record = dataclasses.replace(_record("1"), coverage=None, counts={})
    history = History(tmp_path / "history.sqlite")
    history.add(record, "main")

    assert history.latest("unit-cs1", "main") == record
