"""Interpreters: a version asked for becomes an absolute path, found by running candidates.

A name on PATH proves nothing (a pyenv shim may fail), and `uv venv --python 3.12` trusts names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noxlib import launch
from noxlib.errors import NoxlibError, PythonNotFoundError
from noxlib.files import write_whole

OLDEST = (3, 10)
PROBE_SECONDS = 10.0
_FIXED_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
# The base of a virtualenv, since virtualenvs are made from the interpreter below.
_PROBE = (
    "import sys; print('noxlib', '.'.join(map(str, sys.version_info[:3])),"
    " getattr(sys, '_base_executable', None) or sys.executable)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that ran and said who it is."""

    path: str  # absolute
    version: str  # "3.12.1"

    @property
    def short(self) -> str:
        """Return major and minor, as in "3.12"."""
        return ".".join(self.version.split(".")[:2])


def find_python(version: str, memory: Path | None = None) -> Interpreter:
    """Return an interpreter of `version` ("3.12", "3.12.1"; "": the one that runs nox).

    `memory` is a JSON file that keeps what was found, so that the next look-up starts no process.
    Raises PythonNotFoundError when there is none, or when it would be too old for noxlib's plugin.
    """
    own = running()
    if _fits(own.version, version):
        return own
    _refuse_old(version)
    if memory and (known := _recall(memory, version)):
        return known
    for candidate in _candidates(version):
        found = _probe(candidate)
        if found and _fits(found.version, version):
            if memory:
                _remember(memory, version, found)
            return found
    raise _not_found(version)


def running() -> Interpreter:
    """Return the interpreter that runs nox; below a virtualenv, the one it was made from."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    path = base if Path(base).exists() else sys.executable
    return Interpreter(path=path, version=".".join(map(str, sys.version_info[:3])))


def _fits(version: str, asked: str) -> bool:
    return not asked or f"{version}.".startswith(f"{asked}.")


def _refuse_old(version: str) -> None:
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if numbers[:2] < OLDEST:
        raise PythonNotFoundError(
            f"Python {version}: noxlib's pytest plugin needs 3.10 or newer in a service's environment",
            remedy="name a newer version in `pythons`",
        )


def _candidates(version: str) -> Iterator[Path]:
    short = ".".join(version.split(".")[:2])
    seen: set[Path] = set()
    for path in _places(short):
        if path not in seen and path.is_file() and os.access(path, os.X_OK):
            seen.add(path)
            yield path


def _places(short: str) -> Iterator[Path]:
    """Yield paths where an interpreter of major.minor may be; "" for any version."""
    pattern = f"{short or 3}*"
    on_path = [Path(item) for item in os.environ.get("PATH", "").split(os.pathsep) if item.startswith("/")]
    folders = [*on_path, *(Path(item) for item in _FIXED_FOLDERS)]
    for folder in folders:
        yield from _interpreters(folder, short)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in _newest_first(pyenv, pattern):
        yield version / "bin" / "python"
    for root in (Path("/opt/homebrew/opt"), Path("/usr/local/opt")):
        for version in _newest_first(root, f"python@{pattern}"):
            yield from _interpreters(version / "bin", short)
    for version in _newest_first(_uv_folder(), f"cpython-{pattern}"):
        yield from _interpreters(version / "bin", short)
    for folder in folders:
        yield folder / "python3"
        yield folder / "python"


def _interpreters(folder: Path, short: str) -> list[Path]:
    if short:
        return [folder / f"python{short}"]
    found = folder.glob("python3.*")
    return sorted(path for path in found if path.name.removeprefix("python3.").isdigit())


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    def numbers(path: Path) -> list[int]:
        digits = "".join(letter if letter.isdigit() else " " for letter in path.name)
        return [int(part) for part in digits.split()]

    return sorted(folder.glob(pattern), key=numbers, reverse=True)


def _uv_folder() -> Path:
    if chosen := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "uv" / "python"


def _probe(path: Path) -> Interpreter | None:
    setting = launch.Setting(sink=lambda _: None)
    try:
        answer = launch.run([str(path), "-I", "-S", "-c", _PROBE], setting, timeout=PROBE_SECONDS)
    except NoxlibError:
        return None
    words = answer.output.strip().split(" ", 2)
    if answer.code or len(words) != len(("noxlib", "version", "path")) or words[0] != "noxlib":
        return None
    base = Path(words[2])
    return Interpreter(path=str(base if base.exists() else path), version=words[1])


def _not_found(version: str) -> PythonNotFoundError:
    found: dict[str, str] = {}
    for candidate in _candidates(""):
        if interpreter := _probe(candidate):
            found.setdefault(interpreter.version, interpreter.path)
    ordered = sorted(found, key=lambda item: [int(part) for part in item.split(".")])
    lines = "\n".join(f"  found {item}: {found[item]}" for item in ordered)
    return PythonNotFoundError(
        f"no Python {version} on this machine\n{lines}",
        remedy=(
            f"install it (`uv python install {version}`, `pyenv install {version}`, or"
            f" `apt install python{version}-venv`), or name one of those above in `pythons`"
        ),
    )


def _recall(memory: Path, version: str) -> Interpreter | None:
    entry = _entries(memory).get(version)
    if entry is None or _stamp(entry["path"]) != entry["stamp"]:
        return None
    return Interpreter(path=entry["path"], version=entry["version"])


def _remember(memory: Path, version: str, found: Interpreter) -> None:
    entry = {"path": found.path, "version": found.version, "stamp": _stamp(found.path)}
    write_whole(memory, json.dumps({**_entries(memory), version: entry}, indent=1, sort_keys=True))


def _entries(memory: Path) -> dict[str, Any]:
    try:
        entries = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _stamp(path: str) -> list[int]:
    try:
        state = Path(path).stat()
    except OSError:
        return []
    return [state.st_mtime_ns, state.st_size]
