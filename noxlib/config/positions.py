"""Where each key of a TOML text stands: TOML parsers don't say.

The text has passed a TOML parser (or has up to the point where it failed), so this scanner only
has to know where keys and values begin and end. It never raises: it stops where it is lost.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
# A multi-line string may end in up to five quotes: the last three close it.
_STRING = (
    r'"""(?:\\.|[^\\])*?""""{0,2}'
    r"|'''.*?''''{0,2}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_INSIDE = re.compile(rf"""(?:{_STRING})|\#[^\n]*|[\[\]{{}}]|[^"'\#\[\]{{}}]+""", re.DOTALL)
_SCALAR = re.compile(rf"(?:{_STRING})|[^\n#]*", re.DOTALL)


def positions(text: str) -> dict[Path, int]:
    """Return the line of every key and table; a key inside an inline table has its parent's."""
    found: dict[Path, int] = {}
    entries = list(scan(text))
    for path, line in entries:
        found.setdefault(path, line)
    for path, line in entries:
        for length in range(len(path)):
            found.setdefault(path[:length], line)
    found[()] = 1
    return found


def line_of(found: Mapping[Path, int], path: Path) -> int:
    """Return the line of a key, or of the nearest table around it."""
    while path not in found:
        path = path[:-1]
    return found[path]


def scan(text: str) -> Iterator[tuple[Path, int]]:
    """Yield (path, line) for each table header and each key, in the order of the text."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    table: Path = ()
    arrays: dict[Path, int] = {}  # how many [[tables]] of that path there were, less one
    at = _end(_BLANK, text, 0)
    while at < len(text):
        line = bisect_right(breaks, at) + 1
        brackets = 2 if text.startswith("[[", at) else 1 if text[at] == "[" else 0
        keys, at = _keys(text, at + brackets)
        if not keys:
            return
        if brackets:
            table = _header(keys, arrays, array=brackets == 2)  # noqa: PLR2004  [[ is two
            yield table, line
            at += brackets
        else:
            yield table + tuple(keys), line
            at = _value_end(text, at + 1)
        at = _end(_BLANK, text, at)


def _header(keys: list[str], arrays: dict[Path, int], *, array: bool) -> Path:
    path: Path = ()
    for index, key in enumerate(keys):
        path = (*path, key)
        if array and index == len(keys) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _keys(text: str, at: int) -> tuple[list[str], int]:
    """Read a dotted key; return its parts and the place of the `=` or `]` behind it."""
    keys: list[str] = []
    while match := _KEY.match(text, _end(_SPACE, text, at)):
        keys.append(_unquoted(match[0]))
        at = _end(_SPACE, text, match.end())
        if not text.startswith(".", at):
            break
        at += 1
    return keys, at


def _unquoted(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    if key[0] != '"':
        return key
    if "\\" not in key:
        return key[1:-1]
    from noxlib.config.file import toml  # noqa: PLC0415  a rare case

    try:
        name: str = next(iter(toml().loads(f"{key} = 0")))
    except ValueError:
        return key
    return name


def _value_end(text: str, at: int) -> int:
    at = _end(_SPACE, text, at)
    if not text.startswith(("[", "{"), at):
        return _end(_SCALAR, text, at)
    depth = 0
    while match := _INSIDE.match(text, at):
        at = match.end()
        depth += (match[0] in ("[", "{")) - (match[0] in ("]", "}"))
        if depth == 0:
            return at
    return len(text)


def _end(expression: re.Pattern[str], text: str, at: int) -> int:
    match = expression.match(text, at)
    return match.end() if match else len(text)
