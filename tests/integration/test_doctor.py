from __future__ import annotations

import pytest

from noxlib.__main__ import main


def test_doctor_says_what_this_machine_offers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    for word in ("box", "PostgreSQL", "Redis", "uv", "cache"):
        assert word in output
