"""Templates in services.toml: `{name}` stands for a value that is known only when a session runs.

`{{` and `}}` are literal braces. Everything that may stand in braces is listed here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from noxlib.errors import ConfigError

POSTGRES = ("user", "password", "host", "port", "database", "socket_folder", "bin_dir")
REDIS = ("host", "port", "database", "password", "socket")
PROCESS = ("host", "port")
# Of command lines: process.command, and a suite's args and command. `{ENV:NAME}` is legal there too.
COMMAND = ("host", "port", "root", "service", "run_folder", "python", "workers")

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_ENVIRONMENT = re.compile(r"ENV:[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def placeholders(text: str) -> set[str]:
    """Return the names in braces; ValueError when a brace stands alone or holds no name."""
    return {name for name, _ in _tokens(text) if name}


def fault(text: str, legal: tuple[str, ...]) -> str:
    """Say what is wrong with a template that may use the `legal` names, or return ""."""
    try:
        used = placeholders(text)
    except ValueError as error:
        return str(error)
    unknown = sorted(used - set(legal))
    if legal is COMMAND:
        unknown = [name for name in unknown if not _ENVIRONMENT.fullmatch(name)]
    return " ".join(_unknown(name, legal) for name in unknown)


def fill(text: str, values: Mapping[str, str], place: str) -> str:
    """Return the text with its placeholders replaced.

    Raises ConfigError, `place: fault`, when a value is missing or the text is no template.
    """
    try:
        tokens = list(_tokens(text))
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None
    unknown = sorted({name for name, _ in tokens if name} - values.keys())
    if unknown:
        raise ConfigError("\n".join(f"{place}: {_unknown(name, tuple(values))}" for name in unknown))
    return "".join(values[name] if name else literal for name, literal in tokens)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield (placeholder, "") or ("", literal text)."""
    for match in _TOKEN.finditer(text):
        token, name = match[0], match[1]
        if name is not None:
            if not (_NAME.fullmatch(name) or _ENVIRONMENT.fullmatch(name)):
                raise ValueError(f"{token} is no placeholder. Write {{{token}}} where the braces are meant")
            yield name, ""
        elif token in ("{", "}"):
            raise ValueError(f"a single {token}. Write {token * 2} where the brace is meant")
        else:
            yield "", token[:1] if token in ("{{", "}}") else token


def _unknown(name: str, legal: tuple[str, ...]) -> str:
    near = get_close_matches(name, legal, 1)
    guess = f" Did you mean {{{near[0]}}}?" if near else ""
    words = [f"{{{item}}}" for item in legal]
    if legal is COMMAND:
        words.append("{ENV:NAME}")
    return f"unknown placeholder {{{name}}}.{guess} One of: {', '.join(words)}"
