"""The how-to's lines make a service of a reference service's copy, and its sessions pass."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from noxlib import launch
from noxlib.testing import Project

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/copy-a-service.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a clone of what is committed here."""
    folder = tmp_path / "checkout"
    done = launch.run(["git", "clone", "--quiet", str(ROOT), str(folder)], launch.Setting(), timeout=60)
    assert done.code == 0, done.output
    return folder


def test_the_copy_passes_under_its_new_name(checkout: Path) -> None:
    (block,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    *lines, last = [line.removeprefix("$ ") for line in block.splitlines()]
    words = shlex.split(last)
    assert words[:2] == ["python3", "noxfile.py"]
    for line in lines:
        setting = launch.Setting(cwd=checkout, sink=lambda _chunk: None)
        done = launch.run(["bash", "-euo", "pipefail", "-c", line], setting, timeout=60)
        assert done.code == 0, f"{line}\n{done.output}"
    left = [path for path in (checkout / "services/depot").rglob("*") if "plant" in path.name]
    assert left == []
    result = Project(checkout).nox(*words[2:]).assert_ok()
    result.assert_says("unit-depot: passed", "integration-depot: passed")
