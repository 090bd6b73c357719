"""The programs that fill a virtualenv, behind one Protocol and one table."""

from __future__ import annotations

from typing import Protocol

from noxlib.environment import pip, uv
from noxlib.environment.job import Job
from noxlib.environment.locked import Locked
from noxlib.environment.locks import UV, Lock
from noxlib.model import Install


class Packager(Protocol):
    """Makes virtualenvs and installs into them; uv and pip are modules of this shape."""

    name: str

    def create(self, job: Job) -> None:
        """Make an empty virtualenv."""

    def install_command(self, job: Job) -> list[str]:
        """Return the command that the arguments of an installation are appended to."""

    def locked(self, job: Job, lock: Lock, install: Install) -> Locked:
        """Return what a lock file pins."""


PACKAGERS: dict[str, Packager] = {"uv": uv, "pip": pip}


def choose(tool: str = "auto", lock_kind: str = "") -> Packager:
    """Return the packager asked for; left open, uv where it is present, else pip.

    Raises EnvironmentBuildError where uv is needed and absent.
    """
    if tool == "uv" or lock_kind == UV:
        uv.program()
        return PACKAGERS["uv"]
    if tool == "pip" or uv.find() is None:
        return PACKAGERS["pip"]
    return PACKAGERS["uv"]


def install(job: Job, packager: Packager, arguments: list[str], *, step: str, remedy: str = "") -> None:
    """Install into the job's virtualenv."""
    job.run([*packager.install_command(job), *arguments], step=step, remedy=remedy)
