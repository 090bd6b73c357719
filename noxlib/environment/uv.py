"""uv: quick virtualenvs, uv.lock and requirement files."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from noxlib.environment.job import Job
from noxlib.environment.locked import Locked, from_requirements
from noxlib.environment.locks import UV, Lock
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install

name = "uv"


def find() -> Path | None:
    """Return uv's program: beside the interpreter that runs nox, else on PATH; None where it is absent.

    `NOXLIB_UV=off` hides it.
    """
    if os.environ.get("NOXLIB_UV") == "off":
        return None
    beside = Path(sys.executable).parent / "uv"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("uv")
    return Path(found) if found else None


def program() -> str:
    """Return uv's path. Raises EnvironmentBuildError where it is absent."""
    found = find()
    if found is None:
        raise EnvironmentBuildError(
            "uv was asked for and isn't here",
            remedy='`pip install uv` where nox is installed, or a requirements file and tool = "pip"',
        )
    return str(found)


def create(job: Job) -> None:
    """Make an empty virtualenv."""
    command = [program(), "venv", "--no-project", "--python", job.interpreter.path, str(job.folder)]
    job.run(command, step="making the virtualenv", remedy=f"try {job.interpreter.path}: does it work?")


def install_command(job: Job) -> list[str]:
    """Return the command that the arguments of an installation are appended to."""
    offline = ["--no-index"] if job.env.get("UV_NO_INDEX") else []
    return [program(), "pip", "install", "--python", str(job.python), *offline]


def locked(job: Job, lock: Lock, install: Install) -> Locked:
    """Return what the lock file pins; uv.lock is exported as it stands."""
    if lock.kind != UV:
        return from_requirements(job, lock, install)
    exported = job.folder / "noxlib-requirements.txt"
    groups = [f"--group={item}" for item in install.groups] or ["--all-groups"]
    extras = [f"--extra={item}" for item in install.extras]
    command = [
        program(),
        "export",
        "--frozen",
        "--no-emit-project",
        "--no-header",
        "--no-annotate",
        "--quiet",
    ]
    job.run(
        [*command, "--format=requirements-txt", *groups, *extras, f"--output-file={exported}"],
        step="reading uv.lock",
        remedy="run `uv lock` in the service's folder",
    )
    return Locked(path=exported, complete=True)
