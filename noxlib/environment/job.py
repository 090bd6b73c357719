"""One build under way: where it happens, and how its commands are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from noxlib import launch
from noxlib.environment.python import Interpreter
from noxlib.environment.requirements import canonical
from noxlib.environment.settings import secrets_in
from noxlib.errors import EnvironmentBuildError

INSTALL_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A virtualenv that is being built."""

    label: str  # "service cs1", "tool poetry"
    folder: Path  # the virtualenv
    interpreter: Interpreter  # the one it is made from
    cwd: Path  # relative paths in requirement files start here
    log: Path
    lock: int  # descriptor of the environment's lock file
    env: Mapping[str, str] = field(repr=False)

    @property
    def python(self) -> Path:
        """Return the virtualenv's own interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Return the folder that distributions are installed into."""
        return self.folder / "lib" / f"python{self.interpreter.short}" / "site-packages"

    def packages(self) -> dict[str, str]:
        """Return the installed distributions, canonical name to version."""
        found = metadata.distributions(path=[str(self.site_packages)])
        return dict(sorted((canonical(item.metadata["Name"]), item.version) for item in found))

    def run(
        self, command: Sequence[str], *, step: str, remedy: str = "", env: Mapping[str, str] | None = None
    ) -> None:
        """Run one command of the build.

        Raises EnvironmentBuildError with the command, its last lines and the log when it fails.
        """
        setting = launch.Setting(
            cwd=self.cwd,
            env=self.env if env is None else env,
            log=self.log,
            pass_fds=(self.lock,),
            sink=lambda _: None,
            redactor=launch.Redactor(secrets_in(self.env)),
        )
        done = launch.run(command, setting, timeout=INSTALL_SECONDS)
        if done.code:
            raise EnvironmentBuildError(
                f"{self.label}: {step} failed: {done.describe(self.log)}",
                remedy=remedy or "see the lines above; is the network there, are the index settings right?",
            )
