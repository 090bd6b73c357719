"""Line numbers for messages of a run, which know keys of services.toml and not where they stand."""

from __future__ import annotations

import re
from pathlib import Path

from noxlib.config.file import shown
from noxlib.config.positions import Path as Key
from noxlib.config.positions import line_of, positions

# "  resource: services.toml: services.cs1.postgres.seed[0]: ..."; what stands before the key may be missing
_KEYED = re.compile(
    r"(?P<indent>\s*(?:[a-z]+: )?)(?:services\.toml: )?"
    r"(?P<key>services\.[a-z][\w-]*(?:\.[\w-]+|\[\d+\])*): (?P<rest>.*)",
    re.DOTALL,
)


def located(path: Path, message: str) -> str:
    """Return a message that begins with a key as `services.toml:7: key: fault`; others as they are."""
    match = _KEYED.fullmatch(message)
    if not match:
        return message
    try:
        lines = positions(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return message  # changed meanwhile
    words = re.findall(r"[\w-]+", match["key"])
    key: Key = tuple(int(word) if word.isdigit() else word for word in words)
    if key[:2] not in lines:
        return message
    return f"{match['indent']}{shown(path)}:{line_of(lines, key)}: {match['key']}: {match['rest']}"
