"""Requirement files and requirements: what is pinned, what is hashed, what is missing or too old."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_INCLUDE = re.compile(r"^(?:-r|--requirement|-c|--constraint)(?:\s+|=|(?<=-[rc]))(\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_DISTRIBUTION = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)$")
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A logical line of a requirements file, continuations joined."""

    path: Path
    number: int  # of its first physical line
    text: str


def canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return _SEPARATORS.sub("-", name).lower()


def files_of(path: Path) -> list[Path]:
    """Return a requirements file and all that it includes by -r or -c, each once."""
    found: list[Path] = []
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        if current in found or not current.is_file():
            continue
        found.append(current)
        matches = [_INCLUDE.match(line.text) for line in read_lines(current)]
        waiting += [current.parent / match[1] for match in matches if match]
    return found


def read_lines(path: Path) -> Iterator[Line]:
    """Yield a file's requirements and options, without comments and blank lines."""
    held: list[str] = []
    begun = 0
    for number, physical in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = _COMMENT.sub("", physical).strip()
        begun = begun if held else number
        held.append(text.removesuffix("\\").strip())
        if text.endswith("\\"):
            continue
        if joined := " ".join(filter(None, held)):
            yield Line(path=path, number=begun, text=joined)
        held = []
    if joined := " ".join(filter(None, held)):
        yield Line(path=path, number=begun, text=joined)


def unpinned(paths: Iterable[Path], pinned_elsewhere: Iterable[Path] = ()) -> list[Line]:
    """Return the lines that leave a version open; constraint files may pin it."""
    elsewhere = {
        canonical(match[1])
        for path in pinned_elsewhere
        for line in read_lines(path)
        if (match := _DISTRIBUTION.match(line.text)) and "==" in match[2]
    }
    lines = [line for path in paths for line in read_lines(path)]
    return [line for line in lines if _is_open(line.text, elsewhere)]


def is_hashed(paths: Iterable[Path]) -> bool:
    """Tell whether every requirement carries a hash, so that the installer can insist on it."""
    lines = [line.text for path in paths for line in read_lines(path)]
    wanted = [text for text in lines if not text.startswith("-") or text.startswith(("-e", "--editable"))]
    return bool(wanted) and all("--hash=" in text for text in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What a virtualenv lacks of the requirements asked for."""

    missing: tuple[str, ...] = ()
    unfit: tuple[tuple[str, str], ...] = ()  # requirement, version that is there


def shortfall(
    wanted: Iterable[str], packages: Mapping[str, str], python: str, extras: Collection[str] = ()
) -> Shortfall:
    """Compare requirements with installed versions, for a Python of version `python` ("3.12.1")."""
    from packaging.requirements import Requirement  # noqa: PLC0415  cold builds alone need it

    missing: list[str] = []
    unfit: list[tuple[str, str]] = []
    for text in wanted:
        requirement = Requirement(text)
        if not _applies(requirement, python, extras):
            continue
        version = packages.get(canonical(requirement.name))
        if version is None:
            missing.append(text)
        elif not requirement.specifier.contains(version, prereleases=True):
            unfit.append((text, version))
    return Shortfall(missing=tuple(missing), unfit=tuple(unfit))


def _applies(requirement: Requirement, python: str, extras: Collection[str]) -> bool:
    if requirement.marker is None:
        return True
    base = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    return any(requirement.marker.evaluate({**base, "extra": extra}) for extra in ("", *extras))


def _is_open(text: str, elsewhere: Collection[str]) -> bool:
    match = _DISTRIBUTION.match(text)
    if match is None or "://" in text:
        return False
    specifier = match[2].partition(";")[0]
    return not ("==" in specifier or "@" in specifier or canonical(match[1]) in elsewhere)
