"""What noxlib's own threads and processes share, under hostile interleavings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.files import write_whole
from noxlib.records import Events
from noxlib.redaction import Redactor


class Counter:
    """The classic: a read-modify-write that every harness must find."""

    def __init__(self) -> None:
        self.value = 0

    def add(self) -> None:
        for _ in range(5):
            self.value += 1


def test_the_harness_finds_a_planted_lost_update(noxlib_race: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match="NOXLIB_RACE_SEED"):
        noxlib_race(Counter.add, Counter.add, setup=Counter, check=lambda counter: counter.value == 10)


def test_twins_of_a_redactor_learn_secrets_from_each_other(noxlib_race: Any) -> None:
    class Shared:
        def __init__(self) -> None:
            self.first = Redactor(["alpha"])
            self.second = self.first.twin()
            self.shown = b""

        def learn(self) -> None:
            self.first.add(["beta"])
            self.first.add(["gamma"])

        def stream(self) -> None:
            for chunk in (b"al", b"pha and al", b"pha"):
                self.shown += self.second.feed(chunk)
            self.shown += self.second.flush()

    def check(shared: Shared) -> None:
        assert shared.shown == b"[redacted] and [redacted]"
        assert shared.second.text("beta gamma") == "[redacted] [redacted]"

    noxlib_race(Shared.learn, Shared.stream, setup=Shared, check=check)


def test_events_of_several_threads_stay_whole_lines(noxlib_race: Any, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = Events(path, Redactor(["hidden"]))

    def write(_state: None) -> None:
        for _ in range(3):
            events.write("something", text="hidden and shown")

    noxlib_race(write, write, setup=lambda: None, seeds=5)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5 * 2 * 3
    assert all(line.startswith("{") and line.endswith("}") and "hidden" not in line for line in lines)


def test_a_reader_sees_the_old_file_or_the_new_one(noxlib_race: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "0" * 100)

    def write(_state: None) -> None:
        for letter in "123":
            write_whole(path, letter * 100)

    def read(_state: None) -> None:
        for _ in range(5):
            assert len(set(path.read_text(encoding="utf-8"))) == 1

    noxlib_race(write, write, read, setup=lambda: None, seeds=5)
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
