"""services.toml on the disk: its bytes, or what is wrong with the file."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from types import ModuleType

from noxlib.errors import ConfigError

LARGEST = 1 << 20  # bytes: 500 services fit several times
EXAMPLE = 'at the least: [services.<name>] and, below it, path = "<its folder>"'


def read(path: Path) -> bytes:
    """Return the file's bytes; ConfigError when it is missing, no file, unreadable or too large."""
    place = shown(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ConfigError(f"{place}: is a folder", remedy="name the file")
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{place}: is no regular file", remedy="name a file")
        if status.st_size > LARGEST:
            raise ConfigError(f"{place}: has {status.st_size} bytes, more than the limit of {LARGEST}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{place}: not found", remedy=f"write one; {EXAMPLE}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        fault = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{place}: can't be read: {fault}", remedy="make it readable") from None


def shown(path: Path) -> str:
    """Return the path as messages show it: relative to the current folder where it lies below."""
    here = Path.cwd()
    text = str(path.relative_to(here) if path.is_relative_to(here) else path)
    return text if text.isprintable() else ascii(text)[1:-1]


def toml() -> ModuleType:
    """Import the TOML parser: tomllib, or tomli on Python 3.10."""
    import importlib  # noqa: PLC0415  only when services.toml changed

    return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
