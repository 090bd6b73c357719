from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from noxlib import launch
from noxlib.commands import main


def test_doctor_says_what_this_machine_offers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    for word in ("box", "PostgreSQL", "Redis", "uv", "cache"):
        assert word in output


def test_doctor_goes_on_where_there_is_no_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOXLIB_REDIS_BIN", str(tmp_path))
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "no Redis or Valkey fits" in output
    assert "cache" in output


def test_a_reader_that_has_enough_is_no_mistake() -> None:
    pipe = f"{sys.executable} -m noxlib schema | head -1; {sys.executable} -m noxlib schema | true"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = launch.run(["sh", "-c", pipe], launch.Setting(env=env, sink=lambda _chunk: None))
    assert done.output == "{\n"


def test_an_interrupt_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("noxlib.box.choose", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "noxlib: interrupted\n"
