"""pip: where uv is absent, or asked for by name."""

from __future__ import annotations

import functools
import os
import sys
from importlib import metadata

from noxlib import launch
from noxlib.environment.job import Job
from noxlib.environment.locked import Locked, from_requirements
from noxlib.environment.locks import Lock
from noxlib.environment.settings import installer_environment
from noxlib.model import Install

name = "pip"
_OLDEST = (22, 3)  # the first with `--python`, which installs into a virtualenv without pip


def create(job: Job) -> None:
    """Make a virtualenv, with a pip of its own only where no other pip can fill it."""
    bare = ["--without-pip"] if _outer(job.interpreter.path) else []
    job.run(
        [job.interpreter.path, "-m", "venv", *bare, str(job.folder)],
        step="making the virtualenv",
        remedy=(
            f"this Python lacks venv or pip: `apt install python{job.interpreter.short}-venv`,"
            " or `pip install uv` where nox is installed"
        ),
    )


def install_command(job: Job) -> list[str]:
    """Return the command that the arguments of an installation are appended to."""
    outer = _outer(job.interpreter.path)
    if outer:
        return [outer, "-m", "pip", "--python", str(job.python), "install"]
    return [str(job.python), "-m", "pip", "install"]


def locked(job: Job, lock: Lock, install: Install) -> Locked:
    """Return what the requirements file pins."""
    return from_requirements(job, lock, install)


@functools.cache
def _outer(interpreter: str) -> str:
    """Return an interpreter whose pip can install into another one's virtualenv, or ""."""
    try:
        if _is_new(metadata.version("pip")):
            return sys.executable
    except metadata.PackageNotFoundError:
        pass
    setting = launch.Setting(sink=lambda _: None, env=installer_environment(os.environ))
    answer = launch.run([interpreter, "-m", "pip", "--version"], setting, timeout=60.0)
    words = answer.output.split()
    return interpreter if answer.code == 0 and words[:1] == ["pip"] and _is_new(words[1]) else ""


def _is_new(version: str) -> bool:
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return tuple(numbers) >= _OLDEST
