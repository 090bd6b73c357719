from __future__ import annotations

import json
from pathlib import Path

import pytest

from noxlib.__main__ import main
from noxlib.errors import ConfigError, UsageError

SERVICES = '[services.a]\npath = "a"\n[services.a.types.unit]\ncache = true\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "2-Shop"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def test_check_says_what_is_not_available_yet_and_that_nothing_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a").mkdir()
    (folder / "services.toml").write_text(SERVICES)
    assert main(["check"]) == 0
    output = capsys.readouterr().out
    assert "services.a.types.unit.cache" in output
    assert "1 services, no problem" in output


def test_a_mistake_is_printed_with_its_classs_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "services.toml").write_text(SERVICES)
    assert main(["check"]) == ConfigError.exit_code
    assert "services.toml:2" in capsys.readouterr().err


def test_schema_is_json_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["services"]


def test_init_writes_a_platform_that_loads_and_overwrites_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tests/unit").mkdir(parents=True)
    assert main(["init"]) == 0
    assert main(["check"]) == 0
    text = (folder / "services.toml").read_text()
    assert "race.enabled = false" in text
    assert "unit.enabled" not in text
    assert main(["init"]) == UsageError.exit_code
    assert "overwrites nothing" in capsys.readouterr().err


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chek"])
    assert ended.value.code == UsageError.exit_code
