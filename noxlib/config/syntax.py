"""From bytes to a document: a clear error for whatever is no text, no TOML or out of bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from noxlib.config.file import EXAMPLE, toml
from noxlib.config.positions import Path as Position
from noxlib.config.positions import line_of, positions, scan
from noxlib.config.problems import Source, dotted
from noxlib.errors import ConfigError

DEEPEST = 32  # levels; the deepest legal key has seven
_INTEGER_BITS = 63
_BOM = "\ufeff"
_PLACE = re.compile(r"(?P<fault>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")
_TWICE = ("Cannot overwrite", "Cannot declare", "Duplicate inline", "Cannot mutate", "Cannot redefine")


def decode(data: bytes, place: str) -> Source:
    """Return the text, without the byte order mark that some editors write."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{place}:{line}: byte {error.start} (0x{data[error.start]:02x}) is not UTF-8",
            remedy="save the file as UTF-8",
        ) from None
    return Source(shown=place, text=text.removeprefix(_BOM))


def parse(source: Source) -> dict[str, Any]:
    """Return the document; ConfigError when it is empty, no TOML, or nested too deeply."""
    try:
        document: dict[str, Any] = toml().loads(source.text)
    except RecursionError:
        raise ConfigError(f"{source.shown}: is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise _syntax(str(error), source) from None
    if not document:
        raise ConfigError(f"{source.shown}: is empty", remedy=EXAMPLE)
    for path, value in _walk(document):
        if len(path) > DEEPEST:
            raise _at(path[:3], source, f"is nested deeper than {DEEPEST} levels")
        if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
            raise _at(path, source, "is a number beyond 64 bits")
    return document


def _walk(document: dict[str, Any]) -> Iterator[tuple[Position, Any]]:
    waiting: list[tuple[Position, Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]


def _at(path: Position, source: Source, fault: str) -> ConfigError:
    line = line_of(positions(source.text), path)
    return ConfigError(f"{source.shown}:{line}: {dotted(path)}: {fault}")


def _syntax(message: str, source: Source) -> ConfigError:
    match = _PLACE.fullmatch(message)
    if not match:  # Python refuses to convert it, and says nothing about the place
        return ConfigError(f"{source.shown}: a number has more digits than 64 bits can hold")
    line = int(match["line"] or source.text.count("\n") + 1)
    if match["fault"].startswith(_TWICE):
        return ConfigError(f"{source.shown}:{line}: {_twice(match['fault'], line, source.text)}")
    column = f":{match['column']}" if match["column"] else ""
    at_end = "" if match["column"] else " (at the end of the file)"
    return ConfigError(f"{source.shown}:{line}{column}: {match['fault']}{at_end}")


def _twice(fault: str, line: int, text: str) -> str:
    """Say which key stands twice, and where it stood first."""
    upto = "".join(text.splitlines(keepends=True)[:line])
    entries = list(scan(upto))
    if entries and not fault.startswith("Duplicate inline"):
        path, _ = entries[-1]
        first = [at for earlier, at in entries[:-1] if earlier == path]
        if first:
            return f"{dotted(path)}: is given twice, first on line {first[0]}. Remove one of the two"
    return f"{fault}: the same key or table is given twice. Remove one of the two"
