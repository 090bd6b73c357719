"""Find PostgreSQL's programs: those named, the system's, else a pinned wheel; and why one didn't fit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from noxlib import launch
from noxlib.errors import NoxlibError
from noxlib.model import Binaries, Postgres
from noxlib.resources.candidates import Candidate, Search, UnfitError, admits, candidates, first_fit
from noxlib.resources.postgres_user import server_credentials
from noxlib.resources.postgres_wheel import WHEEL

SYSTEM = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Fedora, RHEL
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
PROGRAMS = ("postgres", "initdb")
# Debian's packages of extensions that aren't called like the extension itself.
PACKAGES = {"vector": "pgvector", "postgis": "postgis-3", "pg_cron": "cron"}


def find_binaries(settings: Postgres, place: str, cache: Path, say: Callable[[str], None]) -> Binaries:
    """Return the first binaries that fit `version` and `extensions`.

    In this order: bin_dir, NOXLIB_PG_BIN, the system's (hidden by NOXLIB_PG_SYSTEM=off), the wheel.
    The first two are orders, not offers: when they don't fit, nothing else is tried.
    Raises BinariesNotFoundError with every candidate and why it didn't fit.
    """
    return first_fit(
        candidates(_search(settings), cache, say),
        lambda candidate: _examined(candidate, settings),
        f"{place}: no PostgreSQL fits{_wish(settings)}",
        _remedy(settings),
    )


def _search(settings: Postgres) -> Search:
    return Search(
        bin_dir=settings.bin_dir,
        version=settings.version,
        named="NOXLIB_PG_BIN",
        shown="NOXLIB_PG_SYSTEM",
        system=_system_folders,
        wheel=WHEEL,
    )


def _system_folders() -> list[Path]:
    """Return the system's bin folders: pg_config's first, then newest first."""
    found: list[Path] = []
    if asked := shutil.which("pg_config"):
        found.append(Path(_output([asked, "--bindir"])))
    for pattern in SYSTEM:
        folders = Path("/").glob(pattern.lstrip("/"))
        found += sorted(folders, key=lambda each: _numbers(str(each)), reverse=True)
    # Client packages make such a folder as well.
    return list(dict.fromkeys(each for each in found if (each / "postgres").exists()))


def _numbers(text: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", text)]


def _examined(candidate: Candidate, settings: Postgres) -> Binaries:
    missing = [name for name in PROGRAMS if not (candidate.folder / name).is_file()]
    if missing:
        raise UnfitError(f"holds no {' and no '.join(missing)}")
    version = _version(candidate.folder / "postgres")
    if not admits(settings.version, version):
        raise UnfitError(f'{version} isn\'t "{settings.version}"')
    extensions = _extensions(candidate.folder)
    if lacks := lacking(settings.extensions, extensions):
        raise UnfitError(f"{version} {lacks}")
    return Binaries(
        bin_dir=str(candidate.folder.absolute()),
        version=version,
        origin=candidate.origin,
        extensions=extensions,
    )


def _version(program: Path) -> str:
    """Return "15.18". As the server's user: what only root may run shows itself here."""
    quiet = launch.Setting(cwd=Path("/"), sink=lambda _chunk: None, credentials=server_credentials())
    try:
        done = launch.run([str(program), "--version"], quiet, timeout=10)
    except NoxlibError as error:
        raise UnfitError(f"the server's user can't run it: {error}") from error
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+|beta\d+|rc\d+)*)", done.output)
    if done.code or not found:
        raise UnfitError(f"doesn't run here: {done.output.strip() or done.describe()}")
    return found[1]


def _extensions(folder: Path) -> tuple[str, ...]:
    """Return the extensions that CREATE EXTENSION will find: the names of their control files."""
    asked = folder / "pg_config"
    shares = [Path(_output([str(asked), "--sharedir"]))] if asked.exists() else []
    shares += [folder.parent / "share", *folder.parent.glob("share/postgresql*")]
    names = {path.stem for share in shares for path in share.glob("extension/*.control")}
    return tuple(sorted(names))


def lacking(wanted: Iterable[str], extensions: Sequence[str]) -> str:
    """Say which extensions aren't there, each with one of a like name that is; "" when none is missing."""
    lost = []
    for name in (each for each in wanted if each not in extensions):
        near = get_close_matches(name, extensions, 1)
        lost.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return f"lacks {', '.join(lost)}" if lost else ""


def _output(words: list[str]) -> str:
    return launch.run(words, launch.Setting(sink=lambda _chunk: None), timeout=10).output.strip()


def _wish(settings: Postgres) -> str:
    version = f' version "{settings.version}"' if settings.version else ""
    return f"{version} with {', '.join(settings.extensions)}" if settings.extensions else version


def _remedy(settings: Postgres) -> str:
    if settings.bin_dir:
        return "correct bin_dir, or remove it to have a PostgreSQL found"
    named = re.search(r"(?:>=|==|~=)\s*(\d+)", settings.version)
    major = named[1] if named else "<version>"
    packages = [f"postgresql-{major}"]
    packages += [f"postgresql-{major}-{PACKAGES[name]}" for name in settings.extensions if name in PACKAGES]
    return (
        f"install one (Debian, Ubuntu: apt-get install {' '.join(packages)}), or name the folder of its "
        "programs in NOXLIB_PG_BIN or in bin_dir"
    )
