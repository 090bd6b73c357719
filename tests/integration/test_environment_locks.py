"""Environments from a lock: what it must hold, and what is said when it does not."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from alpha_service import Alpha

from noxlib import launch
from noxlib.environment import uv
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install


def test_an_empty_lock_is_a_lock(alpha: Alpha) -> None:
    (alpha.folder / "requirements.lock").write_text("# nothing\n", encoding="utf-8")
    alpha.install = Install(package=False)
    assert alpha.build(tools=()).packages.keys() == {"noxlib"}


def test_hashes_are_insisted_on(each_tool: Alpha, wheelhouse: Path) -> None:
    digest = hashlib.sha256((wheelhouse / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lock = each_tool.folder / "requirements.lock"
    lock.write_text(f"tiny==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
    assert each_tool.build().packages["tiny"] == "1.0"
    lock.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with pytest.raises(EnvironmentBuildError, match=r"installing requirements\.lock failed") as caught:
        each_tool.build()
    assert "log:" in caught.value.message
    assert len(each_tool.environments()) == 1


def test_an_open_version_is_refused_with_its_line(alpha: Alpha) -> None:
    (alpha.folder / "requirements.lock").write_text("\ntiny>=1\n", encoding="utf-8")
    with pytest.raises(EnvironmentBuildError, match=r"requirements\.lock:2: tiny>=1"):
        alpha.build()
    (alpha.folder / "pins.txt").write_text("tiny==1.0\n", encoding="utf-8")
    alpha.install = Install(constraints=("pins.txt",))
    assert alpha.build().packages["tiny"] == "1.0"


def test_groups_of_a_flat_list_are_refused(alpha: Alpha) -> None:
    alpha.install = Install(groups=("dev",))
    with pytest.raises(
        EnvironmentBuildError, match=r"`install\.groups` has no meaning for requirements\.lock"
    ):
        alpha.build()


def test_a_locked_tool_that_is_too_old_is_an_error_with_the_remedy(alpha: Alpha) -> None:
    with pytest.raises(
        EnvironmentBuildError, match=r"pins tiny 1\.0; its test types need tiny>=2\n.*'tiny>=2'"
    ):
        alpha.build(tools=("tiny>=2",))
    assert alpha.environments() == []


def test_a_tool_that_needs_another_version_than_the_lock_changes_nothing(each_tool: Alpha) -> None:
    with pytest.raises(EnvironmentBuildError, match="adding test tools beside the lock failed"):
        each_tool.build(tools=("picky",))


def test_strict_tools_must_be_in_the_lock(alpha: Alpha) -> None:
    alpha.install = Install(tools="strict")
    with pytest.raises(EnvironmentBuildError, match=r"doesn't hold toolbelt>=3, .*\n.*add 'toolbelt>=3' to"):
        alpha.build()


def test_what_the_package_asks_for_and_the_lock_lacks_is_named(alpha: Alpha) -> None:
    alpha.install = Install(extras=("more",))
    with pytest.raises(
        EnvironmentBuildError, match=r"requirements\.lock doesn't hold other; .*asks for\n.*uv pip"
    ):
        alpha.build()


def test_uv_lock_is_read_as_it_stands(alpha: Alpha, wheelhouse: Path) -> None:
    program = str(uv.find())
    lock = [
        program,
        "lock",
        "--no-index",
        f"--find-links={wheelhouse}",
        "--quiet",
        "--python",
        sys.executable,
    ]
    done = launch.run(lock, launch.Setting(cwd=alpha.folder, sink=lambda _: None))
    assert done.code == 0, done.describe()
    (alpha.folder / "requirements.lock").unlink()
    alpha.install = Install(extras=("more",))
    built = alpha.build()
    assert {"tiny": "2.0", "grouped": "1.0", "other": "1.0"}.items() <= built.packages.items()
    assert built.tool == "uv"


def test_uv_lock_without_uv_says_so(alpha: Alpha, monkeypatch: pytest.MonkeyPatch) -> None:
    (alpha.folder / "uv.lock").touch()
    monkeypatch.setenv("NOXLIB_UV", "off")
    with pytest.raises(EnvironmentBuildError, match="uv was asked for and isn't here"):
        alpha.build()
