from __future__ import annotations

from pathlib import Path

import pytest

from noxlib import config

TEXT = """
[services.a]
path = "a"
[services.a.postgres]
seed = [
  "x.sql",
]
migrate = ["x"]
[services.a.postgres.audit]
"""


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "platform.toml").write_text(TEXT)
    return tmp_path / "platform.toml"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("services.toml: services.a.postgres.migrate: no", "platform.toml:8: services.a.postgres.migrate: no"),
        ("  suite: services.a.postgres.migrate: no: x", "  suite: platform.toml:8: services.a.postgres.migrate: no: x"),
        ("services.a.postgres.seed[0]: a\n  to fix it: b", "platform.toml:5: services.a.postgres.seed[0]: a\n  to fix it: b"),
        ("services.a.postgres.audit.migrate: no", "platform.toml:9: services.a.postgres.audit.migrate: no"),
        ("services.a.process.command: no", "platform.toml:2: services.a.process.command: no"),
    ],
)  # fmt: skip
def test_a_message_that_begins_with_a_key_gets_its_line(services: Path, message: str, expected: str) -> None:
    assert config.located(services, message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "platform.toml:8: services.a.postgres.migrate: no",
        "services.toml:8: services.a.postgres.migrate: no",
        "services.toml: is empty",
        "services.b.path: another file's",
        "see services.a.path: it",
        "a services.a.path",
        "",
    ],
)
def test_other_messages_stay_as_they_are(services: Path, message: str) -> None:
    assert config.located(services, message) == message


def test_a_file_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert config.located(tmp_path / "x", "services.a.path: no") == "services.a.path: no"
