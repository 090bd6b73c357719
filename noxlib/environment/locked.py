"""What a lock file pins, as a requirements file that uv and pip can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noxlib.environment import requirements
from noxlib.environment.job import Job
from noxlib.environment.locks import Lock
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A requirements file. `complete`: it names every distribution, so nothing is resolved."""

    path: Path
    complete: bool


def from_requirements(job: Job, lock: Lock, install: Install) -> Locked:
    """Return a requirements file as it stands, once it is sure that it pins.

    Raises EnvironmentBuildError with the open lines.
    """
    if install.groups:
        raise EnvironmentBuildError(
            f"{job.label}: `install.groups` has no meaning for {lock.path.name}, which is one flat list",
            remedy="lock the groups into it (`uv pip compile --group <name> ...`) and leave `groups` out",
        )
    files = requirements.files_of(lock.path)
    open_lines = requirements.unpinned(files, [job.cwd / item for item in install.constraints])
    if open_lines:
        shown = "\n".join(f"  {line.path.name}:{line.number}: {line.text}" for line in open_lines[:10])
        raise EnvironmentBuildError(
            f"{job.label}: {lock.path.name} pins not everything, so its versions would drift:\n{shown}",
            remedy="pin them: `uv pip compile --universal --generate-hashes <file> -o requirements.lock`",
        )
    return Locked(path=lock.path, complete=False)
