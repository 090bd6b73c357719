"""Where things are kept between runs: .noxlib, which follows the repository.

A module of its own, because `nox -l` needs no more: records, model and SQLite cost 20 ms.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.errors import RecordError
from noxlib.files import write_whole

if TYPE_CHECKING:
    from typing_extensions import Self

MAIN = "main"
# Backup tools leave out what is tagged so, and so do fingerprints. https://bford.info/cachedir/
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Written by noxlib; can be removed at any time.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """The folder, and the checkout's name in it.

    A linked git worktree uses the main checkout's folder under a checkout name of its own: the
    history is shared and runs don't mix. `NOXLIB_STATE` (relative to services.toml's folder)
    names another folder.
    """

    folder: Path
    checkout: str

    @classmethod
    def find(cls, root: Path) -> Self:
        """Return the state of the repository that `root` (services.toml's folder) lies in."""
        root = root.resolve()
        folder, checkout = _repository(root)
        if chosen := os.environ.get("NOXLIB_STATE"):
            folder = root / chosen
        return cls(folder=folder, checkout=checkout)

    @property
    def cache(self) -> Path:
        """The folder of what can be computed again."""
        self.hide()
        return self.folder / "cache"

    def hide(self) -> None:
        """Keep the folder out of git and backups. A folder that can't be written fails elsewhere."""
        for name, text in ((".gitignore", "*\n"), ("CACHEDIR.TAG", _TAG)):
            path = self.folder / name
            if not path.exists():
                with contextlib.suppress(RecordError):
                    write_whole(path, text)


def _repository(root: Path) -> tuple[Path, str]:
    """Return the state folder and the checkout's name, read from .git without git's help."""
    for parent in (root, *root.parents):
        git = parent / ".git"
        if git.is_file() and (linked := _linked(git)):
            main, name = linked
            return main / root.relative_to(parent) / ".noxlib", name
        if git.exists():
            break
    return root / ".noxlib", MAIN


def _linked(git: Path) -> tuple[Path, str] | None:
    """Return main checkout and name of a linked worktree: `gitdir: <main>/.git/worktrees/<name>`.

    A submodule's .git is a file as well, and a worktree may have been copied to where its
    repository isn't: both keep their own state. A bare repository has no checkout, so the state
    lies in itself.
    """
    try:
        word, _, target = git.read_text(encoding="utf-8").strip().partition(": ")
    except (OSError, ValueError):
        return None
    folder = (git.parent / target).resolve()
    common = folder.parent.parent
    if word != "gitdir" or folder.parent.name != "worktrees" or not common.is_dir():
        return None
    # A worktree may be called "main" too.
    name = f"{folder.name}@worktree" if folder.name == MAIN else folder.name
    return (common.parent if common.name == ".git" else common), name
