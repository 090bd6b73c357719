from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from noxlib import sessions
from noxlib.errors import SuiteError


class FakeSession:
    def error(self, text: str) -> NoReturn:
        raise RuntimeError(text)


@pytest.mark.parametrize(
    ("error", "says", "code"),
    [
        (SuiteError("a: went wrong", remedy="mend it"), "a: went wrong\n  to fix it: mend it", 17),
        (SuiteError("services.a.path: went wrong"), "services.toml:2: services.a.path: went wrong", 17),
        (
            PermissionError(13, "Permission denied", "/var/cache"),
            "/var/cache: Permission denied\n  to fix it:",
            19,
        ),
    ],
)
def test_a_failure_is_one_message_with_its_exit_code(
    error: Exception, says: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services = tmp_path / "services.toml"
    services.write_text('[services.a]\npath = "a"\n')
    with pytest.raises(RuntimeError, match=f"exit code {code}"):
        sessions._fail(FakeSession(), error, services)  # type: ignore[arg-type]  # noqa: SLF001
    assert says in capsys.readouterr().err
