"""Fingerprints: which files and settings a session's verdict depends on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from noxlib import __version__
from noxlib.model import Platform, Service, to_json

SKIPPED = frozenset(
    {
        ".git",
        ".nox",
        ".noxlib",
        ".venv",
        "venv",
        "__pycache__",
        "node_modules",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
        ".benchmarks",
        ".tox",
        "dist",
        "build",
    }
)
SKIPPED_SUFFIXES = (".pyc", ".pyo", ".egg-info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The hash of every input, and what it was made of, so that a change can be named."""

    digest: str
    files: dict[str, str]  # POSIX path, relative to services.toml's folder -> hash
    settings: str


def fingerprint(service: Service, platform: Platform, root: Path, extra: Mapping[str, str]) -> Fingerprint:
    """Return the fingerprint of a service and all that it depends on.

    Every file in their folders counts but caches, virtualenvs and, for a service at `.`, the
    other services' folders.
    """
    others = [(root / each.path).resolve() for each in platform.services.values()]
    names = _closure(platform, service.name)
    files: dict[str, str] = {}
    for name in names:
        folder = (root / platform.services[name].path).resolve()
        for path in _walk(folder, [each for each in others if each != folder]):
            files[_relative(path, root.resolve())] = _hash(path)
    settings = json.dumps(
        {
            "services": [to_json(platform.services[name]) for name in names],
            "noxlib": __version__,
            **extra,
        },
        sort_keys=True,
    )
    content = json.dumps([sorted(files.items()), settings])
    return Fingerprint(digest=hashlib.sha256(content.encode()).hexdigest(), files=files, settings=settings)


def changed(old: Fingerprint, new: Fingerprint) -> list[str]:
    """Name what differs: files that changed, came or went, and "settings"."""
    names = sorted(old.files.keys() | new.files.keys())
    found = [name for name in names if old.files.get(name) != new.files.get(name)]
    return found + (["settings"] if old.settings != new.settings else [])


def _closure(platform: Platform, name: str) -> list[str]:
    found: list[str] = []
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found and each in platform.services:
            found.append(each)
            waiting += platform.services[each].depends_on
    return sorted(found)


def _walk(folder: Path, others: list[Path]) -> Iterator[Path]:
    """Yield the regular files below; symbolic links to folders aren't followed, so loops can't be."""
    skipped = {str(each) for each in others}
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(
            each
            for each in folders
            if each not in SKIPPED
            and not each.endswith(SKIPPED_SUFFIXES)
            and os.path.join(base, each) not in skipped  # noqa: PTH118  os.walk gives strings
        )
        for name in sorted(names):
            path = Path(base, name)
            if not name.endswith(SKIPPED_SUFFIXES) and not name.startswith(".coverage") and path.is_file():
                yield path


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        return f"unreadable: {error.strerror}"
