"""Where things are kept between runs: .noxlib, which follows the repository.

A module of its own, because `nox -l` needs no more: records, model and SQLite cost 20 ms.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """The folder, and the checkout's name in it.

    A linked git worktree uses the main checkout's folder, under a checkout name of its own, so
    that history is shared and runs don't mix. `NOXLIB_STATE` names another folder.
    """

    folder: Path
    checkout: str

    @classmethod
    def find(cls, root: Path) -> Self:
        """Return the state of the repository that `root` (services.toml's folder) lies in."""
        root = root.resolve()
        if chosen := os.environ.get("NOXLIB_STATE"):
            return cls(folder=Path(chosen), checkout="main")
        for parent in (root, *root.parents):
            git = parent / ".git"
            if git.is_file() and (main := _main_checkout(git)):
                return cls(folder=main / root.relative_to(parent) / ".noxlib", checkout=parent.name)
            if git.exists():
                break
        return cls(folder=root / ".noxlib", checkout="main")

    @property
    def cache(self) -> Path:
        """What can be computed again."""
        return self.folder / "cache"


def _main_checkout(git: Path) -> Path | None:
    """Return the main checkout of a linked worktree, from its .git file: `gitdir: .../.git/worktrees/x`."""
    word, _, target = git.read_text(encoding="utf-8").strip().partition(": ")
    folder = Path(git.parent, target).resolve()
    if word == "gitdir" and folder.parent.name == "worktrees":
        return folder.parent.parent.parent
    return None
