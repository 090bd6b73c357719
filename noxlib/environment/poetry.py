"""poetry.lock, read through nox-poetry: its export alone, without a nox session.

nox-poetry's own install runs `pip uninstall` with whatever pip is on PATH when the virtualenv is
uv's; its exact export is what is wanted of it, and installing is left to uv or pip.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from noxlib.environment.job import Job
from noxlib.environment.locked import Locked
from noxlib.environment.locks import Lock
from noxlib.environment.requirements import is_hashed
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install

name = "poetry"
_HASH = re.compile(r"\s*\\\n\s*--hash=\S+")
REQUIREMENTS = Path(__file__).with_name("poetry-requirements.txt")


def locked(job: Job, lock: Lock, install: Install, programs: Path) -> Locked:
    """Return what poetry.lock pins. `programs` is the folder with noxlib's own poetry.

    Raises EnvironmentBuildError when the lock is older than pyproject.toml.
    """
    import nox_poetry.poetry  # noqa: PLC0415  imports nox and tomlkit

    # Its own folder, since a lock file may lie above the service.
    job = replace(job, cwd=lock.path.parent)
    exported = job.folder / "noxlib-requirements.txt"
    poetry = nox_poetry.poetry.Poetry(_Session(job, programs, exported))  # type: ignore[arg-type]
    poetry.project = lock.path.parent
    poetry._config = _config(lock.path.parent, install)  # noqa: SLF001  Poetry takes no configuration
    exported.write_text(poetry.export(), encoding="utf-8")
    if not is_hashed([exported]):
        # A folder or a git dependency has no hash, and pip wants all of them or none.
        exported.write_text(_HASH.sub("", exported.read_text(encoding="utf-8")), encoding="utf-8")
    return Locked(path=exported, complete=True)


def _config(project: Path, install: Install) -> Any:
    """Return nox-poetry's view of pyproject.toml, with PEP 735 groups and the choices of services.toml."""
    import nox_poetry.poetry  # noqa: PLC0415  imports nox and tomlkit
    import tomlkit  # noqa: PLC0415  nox-poetry's own dependency

    document = tomlkit.parse((project / "pyproject.toml").read_text(encoding="utf-8"))

    class Chosen(nox_poetry.poetry.Config):
        @property
        def extras(self) -> list[str]:
            return list(install.extras)

        @property
        def dependency_groups(self) -> list[str]:
            found = [*super().dependency_groups, *document.get("dependency-groups", {})]
            return list(install.groups or dict.fromkeys(found))

    return Chosen(project)


class _Session:
    """The one method of a nox session that nox-poetry's export calls."""

    def __init__(self, job: Job, programs: Path, exported: Path) -> None:
        self._job = job
        self._exported = exported
        path = os.pathsep.join([str(programs), job.env.get("PATH", os.defpath)])
        self._env = {**job.env, "PATH": path}
        self._programs = programs

    def run_always(self, *args: str, **_: Any) -> str:
        if "--version" in args:
            return self._version()
        # With the hashes the installer can insist on the very files that were locked; a file of
        # its own keeps poetry's warnings out of the list.
        command = [str(self._programs / "poetry"), *(item for item in args[1:] if item != "--without-hashes")]
        try:
            self._job.run(
                [*command, f"--output={self._exported}"], step="exporting poetry.lock", env=self._env
            )
        except EnvironmentBuildError as error:
            if "poetry lock" not in error.message:
                raise
            raise EnvironmentBuildError(
                f"{self._job.label}: poetry.lock is older than pyproject.toml",
                remedy="run `poetry lock` in the service's folder and commit poetry.lock",
            ) from error
        return self._exported.read_text(encoding="utf-8")

    def _version(self) -> str:
        """Answer from the pinned list: asking poetry costs a second."""
        lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
        pinned = next(line for line in lines if line.startswith("poetry=="))
        return f"Poetry (version {pinned.split('==')[1].split()[0]})"
