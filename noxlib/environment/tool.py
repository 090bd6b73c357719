"""Private environments for commands that noxlib runs and no service should have to lock."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from noxlib.environment import requirements, store
from noxlib.environment.job import Job
from noxlib.environment.key import digest_of
from noxlib.environment.order import Say
from noxlib.environment.packager import choose, install
from noxlib.environment.python import running
from noxlib.environment.settings import installer_environment
from noxlib.model import BuiltEnvironment


def build_tool(name: str, lines: Sequence[str], folder: Path, say: Say = print) -> Path:
    """Return the bin folder of a virtualenv that holds these requirements, built where it isn't there yet.

    `lines` are those of a requirements file, hashes included where there are any; `folder` is the
    store. Raises EnvironmentBuildError.
    """
    interpreter = running()
    key = digest_of([interpreter.path, interpreter.version, list(lines)])
    place = store.Place(store=folder, kind="tools", name=name, key=key)

    def build(held: int) -> BuiltEnvironment:
        say(f"{name}: preparing it once for this repository")
        packager = choose()
        job = Job(
            label=f"tool {name}",
            folder=place.folder,
            interpreter=interpreter,
            cwd=folder,
            log=place.log,
            lock=held,
            env=installer_environment(os.environ),
        )
        packager.create(job)
        wanted = place.folder / "noxlib-requirements.txt"
        wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
        hashes = ["--require-hashes"] if requirements.is_hashed([wanted]) else []
        install(job, packager, [*hashes, "-r", str(wanted)], step=f"installing {name}")
        return BuiltEnvironment(
            path=str(place.folder),
            python=str(job.python),
            version=interpreter.version,
            key=key,
            tool=packager.name,
            packages=job.packages(),
        )

    built = store.find(place) or store.make(
        place, build, again=False, waiting=lambda: say(f"{name}: waiting for another nox that prepares it")
    )
    return Path(built.path) / "bin"
