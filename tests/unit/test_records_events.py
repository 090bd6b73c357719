from __future__ import annotations

import json
import os
import resource
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from noxlib.records import Events
from noxlib.redaction import Redactor


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_event_is_one_line_with_its_time(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")

    events.write("postgres.started", pid=17, version="15.18")
    events.write("box.left")

    first, second = _lines(tmp_path / "events.jsonl")
    assert (first["event"], first["pid"], first["version"]) == ("postgres.started", 17, "15.18")
    assert datetime.fromisoformat(first["t"]).utcoffset() is not None
    assert len(first["t"]) == len("2026-11-21T03:00:00.000+00:00")
    assert second["event"] == "box.left"


def test_secrets_are_redacted_wherever_they_stand(tmp_path: Path) -> None:
    secret = 'pa"ss\\wörd\n'
    events = Events(tmp_path / "events.jsonl", Redactor([secret]))

    events.write(
        "lease", url=f"db://{secret}@", command=["psql", secret], deep={"a": [secret, 1, None, True]}
    )

    (line,) = _lines(tmp_path / "events.jsonl")
    assert line["url"] == "db://[redacted]@"
    assert line["command"] == ["psql", "[redacted]"]
    assert line["deep"] == {"a": ["[redacted]", 1, None, True]}


def test_what_json_does_not_know_is_written_as_text(tmp_path: Path) -> None:
    Events(tmp_path / "events.jsonl").write("x", path=Path("logs/a"), name="\udcff\ud800")

    (line,) = _lines(tmp_path / "events.jsonl")
    assert line["path"] == "logs/a"


def test_a_newline_in_a_field_stays_within_its_line(tmp_path: Path) -> None:
    Events(tmp_path / "events.jsonl").write("x", text="one\ntwo\u2028three")

    (line,) = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert json.loads(line)["text"] == "one\ntwo\u2028three"


def test_threads_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    trails = [Events(path), Events(path)]

    def write(number: int) -> None:
        for each in range(50):
            trails[number % 2].write("x", number=number, each=each, filler="y" * 3000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({(line["number"], line["each"]) for line in _lines(path)}) == 400


def test_a_full_disk_is_counted_and_said_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.symlink_to("/dev/full")
    events = Events(path)
    events.write("one")
    events.write("two")
    assert events.lost == 2

    path.unlink()
    events.write("three")

    assert [line["event"] for line in _lines(path)] == ["events.lost", "three"]
    assert _lines(path)[0]["lines"] == 2
    assert events.lost == 2


def test_a_folder_that_is_gone_ends_no_run(tmp_path: Path) -> None:
    events = Events(tmp_path / "gone" / "events.jsonl")

    events.write("one")

    assert events.lost == 1


def test_a_line_that_fitted_in_part_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = Events(path)
    events.write("one")
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
    try:
        events.write("two")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert events.lost == 1

    events.write("three")

    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["event"] for line in whole] == ["one", "events.lost", "three"]


def test_the_trail_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208  names are compared
    events = Events(tmp_path / "events.jsonl")
    for _ in range(10):
        events.write("x")

    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208  as above
