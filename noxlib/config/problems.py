"""Problems in services.toml: collected, placed, and shown together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn

from noxlib.config.positions import Path, line_of, positions
from noxlib.errors import ConfigError

MOST_SHOWN = 50
_LONGEST_SHOWN = 60
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "table"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """services.toml as it was read: the name to show, and the text."""

    shown: str
    text: str


@dataclass(slots=True, kw_only=True)
class Problems:
    """All that is wrong with one services.toml."""

    source: Source
    found: dict[tuple[Path, str], None] = field(default_factory=dict)

    def add(self, path: Iterable[str | int], fault: str) -> None:
        """Note a fault of the key at `path`; the same one twice counts once."""
        self.found[tuple(path), fault] = None

    def fail(self) -> NoReturn:
        """Raise ConfigError with one line per problem, in the order of the file."""
        lines = positions(self.source.text)
        placed = sorted((line_of(lines, path), dotted(path), fault) for path, fault in self.found)
        shown = [
            f"{self.source.shown}:{line}: {f'{key}: ' if key else ''}{fault}"
            for line, key, fault in placed[:MOST_SHOWN]
        ]
        if len(placed) > MOST_SHOWN:
            shown.append(f"{self.source.shown}: and {len(placed) - MOST_SHOWN} more problems")
        raise ConfigError("\n".join(shown))


def dotted(path: Path) -> str:
    """Write a path as TOML would, control characters escaped: `services."a/b".source[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{part if _BARE.fullmatch(part) else quoted(part)}"
    return text


def quoted(text: str) -> str:
    """Quote a string of the user's, escaped and cut to a readable length."""
    if len(text) > _LONGEST_SHOWN:
        text = text[:_LONGEST_SHOWN] + "..."
    return json.dumps(text)


def described(value: Any) -> str:
    """Name a TOML value's kind, and the value itself where it is short."""
    kind = _KINDS.get(type(value), "date or time")
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the {kind} {value!s:.20}"
    return f"{'an' if kind == 'array' else 'a'} {kind}"


def choices(wrong: str, legal: Iterable[str]) -> str:
    """Return the nearest right word, if there is one, and all of them."""
    words = list(legal)
    near = get_close_matches(wrong, words, 1)
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    return f"{guess}One of: {', '.join(words)}" if words else "None is legal here"
