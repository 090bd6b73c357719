"""Single values of services.toml: what they may look like, and what the model holds instead.

Each function takes what TOML gave and returns the model's value; ValueError says what is wrong.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from noxlib import dsn

LONGEST = 86_400.0  # seconds: no time limit makes sense beyond a day
OLDEST_PYTHON = 10  # of 3.x: what the pytest plugin runs on
DURATION = r"^(?:[0-9.]+h)?(?:[0-9.]+m)?(?:[0-9.]+s)?(?:[0-9.]+ms)?(?:[0-9.]+us)?$"
NAME = r"^[a-z][a-z0-9_-]{0,39}$"

_UNITS = (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001), ("us", 0.000_001))
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit, _ in _UNITS))
_PYTHON = re.compile(r"([0-9]+)\.(0|[1-9][0-9]?)")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_WORKERS = 256


def seconds(value: Any) -> float:
    """Read "250ms", "5m", "1h30m" or a number of seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        result = float(value)
    elif isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        parts = zip(match.groups(), _UNITS, strict=True)
        result = sum(float(number) * unit for number, (_, unit) in parts if number)
    else:
        raise ValueError('must be a duration such as "250ms", "20s", "5m" or "1h30m", or a number of seconds')
    if not 0 < result <= LONGEST:
        raise ValueError("must be a duration above 0 and at most 24h")
    return result


def day(value: Any) -> str:
    """Read a TOML date or an ISO string; return the ISO string."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return dt.date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise ValueError(f"is no day of the calendar: {error}") from None
    raise ValueError("must be a date such as 2027-03-01")


def name(value: str) -> str:
    """Read the name of a platform, a service, a server or a scenario."""
    if not re.fullmatch(NAME, value) or value.endswith("\n"):
        raise ValueError("is no legal name: a lower-case letter, then at most 39 of a-z, 0-9, - and _")
    return value


def text(value: str) -> str:
    """Refuse the one character that no command line, variable or path can hold."""
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    return value


def word(value: str) -> str:
    """Refuse an empty string."""
    if not value.strip():
        raise ValueError("must not be empty")
    return text(value)


def printable(value: str) -> str:
    """Refuse an empty string and control characters: a path, a node id, a name in a report."""
    if not word(value).isprintable():
        raise ValueError("must not contain control characters")
    return value


def relative(value: str) -> str:
    """Refuse a folder that is not below the service's."""
    if printable(value).startswith("/") or ".." in value.split("/"):
        raise ValueError('must be a folder below the service\'s, such as "tests"')
    return value


def url_path(value: str) -> str:
    """Refuse what is no path of a URL."""
    if not re.fullmatch(r"/[!-~]*", value):
        raise ValueError('must be a path that begins with a slash, such as "/health"')
    return value


def python(value: str) -> str:
    """Read "3.12"; services run on Python 3.10 and later."""
    match = _PYTHON.fullmatch(value)
    if not match:
        raise ValueError('must be a version such as "3.12", without a patch level')
    if (int(match[1]), int(match[2])) < (3, OLDEST_PYTHON):
        raise ValueError(f"Python {value} is too old: services run on Python 3.10 and later")
    if match[1] != "3":
        raise ValueError(f'there is no Python {value}: give a version such as "3.12"')
    return value


def version(value: str) -> str:
    """Read a version specifier as packaging understands it; "" is any version."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415  only when it changed

    try:
        SpecifierSet(value)
    except InvalidSpecifier:
        raise ValueError('must be a version specifier such as ">=14", "==15.*" or ">=14,<17"') from None
    return value


def identifier(value: str) -> str:
    """Read the name of a role or a database."""
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError("must be letters, digits, _ and -, at most 63, with a letter or _ first")
    return value


def variable(value: str) -> str:
    """Read the name of an environment variable."""
    if not _VARIABLE.fullmatch(value):
        raise ValueError("is no name of an environment variable: letters, digits and _, no digit first")
    return value


def place(value: str) -> str:
    """Read where an external server's databases may be made."""
    dsn.place(value)
    return value


def server_setting(value: Any) -> str:
    """Return a PostgreSQL setting as postgresql.conf writes it: true is "on"."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return text(value)
    raise ValueError("must be a string, a number or a boolean")


def workers(value: Any) -> str:
    """Read "auto" or a number of xdist workers; "0" runs the tests in one process."""
    if value == "auto":
        return "auto"
    if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,2}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_WORKERS:
        return str(value)
    raise ValueError(f'must be "auto" or a number from 0 to {_MOST_WORKERS}')


def pattern(value: str) -> str:
    """Refuse an empty string, and what `re` can't compile."""
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:  # the latter for sizes and nesting
        raise ValueError(f"is no regular expression: {error}") from None
    return word(value)


def is_glob(item: str) -> bool:
    """Tell a glob of SQL files from a command's word."""
    return item.endswith(".sql") or "*" in item


def seed(value: list[str]) -> list[str]:
    """Refuse a list that begins as globs and goes on as something else."""
    if value and is_glob(value[0]) and not all(map(is_glob, value)):
        raise ValueError("mixes globs of *.sql files with other words: give globs only, or one command")
    return value
