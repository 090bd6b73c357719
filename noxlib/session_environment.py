"""The environment variables of everything in a box: an allow-list, so that nothing real leaks in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from noxlib.box import MARKER, Box
from noxlib.model import Service

PASSED = ("LANG", "LANGUAGE", "TERM", "TZ", "CI", "FORCE_COLOR", "NO_COLOR", "NOXLIB_RACE_SEED")
_SUPERVISOR = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH")
SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "DSN", "URL")


def base(outside: Mapping[str, str], box: Box, service: Service, virtualenv: Path) -> dict[str, str]:
    """Return what a service's processes get before any lease: PATH, locale, private folders, its own."""
    passed = {
        name: value
        for name, value in outside.items()
        if name in PASSED or name.startswith("LC_") or name in service.pass_env
    }
    return {
        **passed,
        "PATH": f"{virtualenv / 'bin'}:{outside.get('PATH', '/usr/bin:/bin')}",
        "VIRTUAL_ENV": str(virtualenv),
        "HOME": str(box.home),
        "TMPDIR": str(box.temporary),
        MARKER: outside.get(MARKER, ""),
        **service.env,
    }


def supervisor(outside: Mapping[str, str], services: Iterable[Service]) -> dict[str, str]:
    """Return what the supervisor gets: everything in the box can read it in /proc."""
    passed = {*PASSED, *_SUPERVISOR, *(name for each in services for name in each.pass_env)}
    return {
        name: value
        for name, value in outside.items()
        if name in passed or name.startswith(("LC_", "NOXLIB_", "PYTHON", "COVERAGE_", "COV_CORE_"))
    }


def secrets(outside: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return the values among the passed variables that their names tell are secret."""
    return [
        outside[name]
        for name in names
        if outside.get(name) and any(word in name.upper() for word in SECRET_WORDS)
    ]
