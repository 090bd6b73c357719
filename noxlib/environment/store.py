"""The store of virtualenvs: a stamp written last, a lock per environment, pruning.

A virtualenv can't be renamed, so it is built in place: a folder without its stamp doesn't exist.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noxlib.errors import EnvironmentBuildError
from noxlib.files import locked, write_whole
from noxlib.model import BuiltEnvironment, from_json, to_json

STAMP = "noxlib-stamp.json"
UNUSED_SECONDS = 14 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one environment is kept: <store>/<kind>/<name>-<key12>."""

    store: Path
    kind: str  # envs | tools
    name: str  # "cs1-3.12", "poetry"
    key: str

    @property
    def folder(self) -> Path:
        """Return the virtualenv's folder."""
        return self.store / self.kind / f"{self.name}-{self.key[:12]}"

    @property
    def log(self) -> Path:
        """Return the file that the build's output is written to."""
        return self.store / "logs" / f"{self.kind}-{self.folder.name}.log"

    @property
    def lock(self) -> Path:
        """Return the lock file; outside of the folder, which is wiped under it."""
        return self.store / "locks" / f"{self.kind}-{self.folder.name}.lock"

    def siblings(self) -> list[Path]:
        """Return the folders of the same name under other keys."""
        keyed = "?" * len(self.key[:12])
        found = (self.store / self.kind).glob(f"{self.name}-{keyed}")
        return [path for path in found if path != self.folder]


def find(place: Place) -> BuiltEnvironment | None:
    """Return the finished environment and mark it as used; None where there is none."""
    stamp = place.folder / STAMP
    try:
        built = from_json(BuiltEnvironment, json.loads(stamp.read_bytes()))
        os.utime(stamp)
    except (OSError, ValueError, TypeError):
        return None
    # The repository may have been moved, or the interpreter below uninstalled.
    if not _is(built.path, place.folder) or built.key != place.key or not Path(built.python).exists():
        return None
    return built


def _is(path: str, folder: Path) -> bool:
    """Tell whether a stamp speaks of this very folder: by a link it may have another name."""
    try:
        return folder.samefile(path)
    except OSError:
        return False


def make(
    place: Place, build: Callable[[int], BuiltEnvironment], *, again: bool, waiting: Callable[[], None]
) -> BuiltEnvironment:
    """Build an environment, unless another process has just done so; wipe what was left half-built.

    `build` gets the lock's descriptor for its children: an installer that outlives a killed nox
    keeps others from wiping the folder under it. `again` builds it even when it is there.
    """
    with locked(place.lock, waiting=waiting) as held:
        built = None if again else find(place)
        if built:
            return built
        with _wiped_on_failure(place):
            built = build(held)
            write_whole(place.folder / STAMP, json.dumps(to_json(built), indent=1, sort_keys=True))
    _prune(place)
    return built


@contextlib.contextmanager
def _wiped_on_failure(place: Place) -> Iterator[None]:
    _wipe(place.folder)
    place.log.unlink(missing_ok=True)
    try:
        place.folder.parent.mkdir(parents=True, exist_ok=True)
        place.log.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        _wipe(place.folder)
        raise EnvironmentBuildError(
            f"{place.folder}: can't be written: {error.strerror or error}",
            remedy="free some space on that disk, or make the folder yours",
        ) from error
    except BaseException:
        _wipe(place.folder)
        raise


def _wipe(folder: Path) -> None:
    # The stamp goes first: a wipe that is cut short must not leave something that looks finished.
    (folder / STAMP).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _prune(place: Place) -> None:
    """Remove environments of the same name that nobody has used for a fortnight."""
    for folder in place.siblings():
        stamp = folder / STAMP
        with contextlib.suppress(OSError):
            used = (stamp if stamp.exists() else folder).stat().st_mtime
            if time.time() - used > UNUSED_SECONDS:
                _wipe(folder)
