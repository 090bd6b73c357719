"""Start a command of services.toml; one that can't be started is said by its place, with a remedy."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from noxlib import launch
from noxlib.errors import NoxlibError, RecordError, ResourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in services.toml a command and its folder stand."""

    command: str  # "services.cs1.process.command"
    cwd: str  # "services.cs1.process.cwd"


def start(command: Sequence[str], setting: launch.Setting, place: Place) -> launch.Child:
    """Start a command as `launch.start` does.

    Raises ResourceError when its program is missing or can't be executed, or its folder is missing.
    """
    try:
        return launch.start(command, setting)
    except RecordError:
        raise  # the log, not the program
    except NoxlibError as error:
        if not isinstance(error.__cause__, OSError):
            raise ResourceError(f"{place.command}: {error}") from error
        raise _refused(command[0], setting, place, error.__cause__) from error


def _refused(program: str, setting: launch.Setting, place: Place, cause: OSError) -> ResourceError:
    cwd = setting.cwd or Path()
    if not cwd.is_dir():
        return ResourceError(f"{place.cwd}: {cwd}: no such folder", remedy="create it, or correct `cwd`")
    by_path = "/" in program
    said = f"{place.command}: `{program}`"
    through = 'start it through its interpreter: ["python", "serve.py", ...]'
    if cause.errno == errno.ENOENT and by_path and (cwd / program).exists():
        return ResourceError(f"{said}: the interpreter that its first line names isn't there", remedy=through)
    if cause.errno == errno.ENOENT:
        where = f"there is no such file in {cwd}" if by_path else "no program of that name"
        sought = "" if by_path else ", neither in the service's virtualenv nor on PATH"
        return ResourceError(f"{said}: {where}{sought}", remedy=_remedy(program, setting))
    if cause.errno == errno.EACCES:
        return ResourceError(f"{said}: is not executable", remedy=f"chmod +x it, or {through}")
    if cause.errno == errno.ENOEXEC:
        return ResourceError(f"{said}: neither a program nor a script that begins with #!", remedy=through)
    return ResourceError(f"{said}: {cause.strerror}")


def _remedy(program: str, setting: launch.Setting) -> str:
    names: list[str] = []
    own = (setting.env or os.environ).get("PATH", "").partition(":")[0]  # the virtualenv's
    with contextlib.suppress(OSError):
        names = [each.name for each in Path(own).iterdir()]
    near = get_close_matches(program, names, 1)
    guess = f'did you mean "{near[0]}"? Otherwise ' if near else ""
    return f"{guess}add what brings it to the service's lock, install it, or correct the name"
