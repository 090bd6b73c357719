from __future__ import annotations

from pathlib import Path

import pytest

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
