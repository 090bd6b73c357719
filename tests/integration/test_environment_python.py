"""Interpreters are found by running candidates; these are scripts, of versions that no machine has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noxlib import launch
from noxlib.environment import find_python
from noxlib.errors import PythonNotFoundError


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def says(path: Path, version: str) -> Path:
    return script(path, f"echo noxlib {version} {path}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:relative:/bin")
    return tmp_path


def test_no_version_is_the_base_of_the_interpreter_that_runs(home: Path) -> None:
    found = find_python("")
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert Path(found.path).exists()
    assert find_python(found.short) == found == find_python(found.version)
    assert home.exists()


def test_a_failing_shim_is_passed_over(home: Path) -> None:
    script(home / "bin/python3.98", "echo 'pyenv: python3.98: command not found'; exit 127")
    real = says(home / ".pyenv/versions/3.98.2/bin/python", "3.98.2")
    says(home / ".pyenv/versions/3.98.1/bin/python", "3.98.1")
    assert find_python("3.98").path == str(real)
    assert find_python("3.98.1").version == "3.98.1"


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("bin/python3.97", {}),
        ("bin/python3", {}),
        ("elsewhere/versions/3.97.0/bin/python", {"PYENV_ROOT": "elsewhere"}),
        (".local/share/uv/python/cpython-3.97.0-linux/bin/python3.97", {}),
        ("uvs/cpython-3.97.0-linux/bin/python3.97", {"UV_PYTHON_INSTALL_DIR": "uvs"}),
    ],
)
def test_every_usual_place_is_searched(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str, variables: dict[str, str]
) -> None:
    for name, folder in variables.items():
        monkeypatch.setenv(name, str(home / folder))
    python = says(home / place, "3.97.0")
    assert find_python("3.97").path == str(python)


def test_a_name_that_lies_about_its_version_is_passed_over(home: Path) -> None:
    says(home / "bin/python3.98", "3.95.0")
    script(home / "bin/python3", "echo nonsense")
    (home / "bin/python").write_text("not a program", encoding="utf-8")
    (home / "bin/python").chmod(0o755)
    with pytest.raises(PythonNotFoundError) as caught:
        find_python("3.98")
    assert "no Python 3.98 on this machine" in str(caught.value)
    assert f"found 3.95.0: {home}/bin/python3.98" in str(caught.value)
    assert "`uv python install 3.98`" in str(caught.value)


def test_what_was_found_is_remembered_until_it_changes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = home / "store" / "pythons.json"
    python = says(home / "bin/python3.98", "3.98.0")
    found = find_python("3.98", memory)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(launch, "run", refuse)
        assert find_python("3.98", memory) == found
    says(python, "3.98.10")
    assert find_python("3.98", memory).version == "3.98.10"
    python.unlink()
    with pytest.raises(PythonNotFoundError):
        find_python("3.98", memory)


def test_a_broken_memory_is_written_anew(home: Path) -> None:
    memory = home / "pythons.json"
    memory.write_text("[]", encoding="utf-8")
    says(home / "bin/python3.98", "3.98.0")
    find_python("3.98", memory)
    memory.write_text("{", encoding="utf-8")
    find_python("3.98", memory)
    assert '"3.98.0"' in memory.read_text(encoding="utf-8")


def test_a_version_too_old_for_the_plugin_is_refused(home: Path) -> None:
    says(home / "bin/python3.9", "3.9.1")
    with pytest.raises(
        PythonNotFoundError, match=r"Python 3\.9: noxlib's pytest plugin needs 3\.10 or newer"
    ):
        find_python("3.9")
