"""Fingerprints: which files and settings a session's verdict depends on."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import posixpath
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noxlib import __version__
from noxlib.errors import RecordError
from noxlib.files import write_whole
from noxlib.model import Platform, Service, to_json

SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".nox", ".noxlib", ".tox", ".venv", "__pycache__", "node_modules"}
)
SKIPPED_CACHES = frozenset({".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".benchmarks"})
BUILT = frozenset({"build", "dist", "htmlcov"})  # at a service's top only: deeper it may be a package
SKIPPED_SUFFIXES = (".pyc", ".pyo", ".egg-info")
MARKS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})  # a virtualenv, a cache: whatever its name is
# A file changed within one tick of its file system's clock after it was hashed looks unchanged:
# git calls that racy. FAT has ticks of two seconds.
TICK_NS = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The hash of every input, and what it was made of, so that a change can be named."""

    digest: str
    files: dict[str, str]  # POSIX path, relative to services.toml's folder -> start of its SHA-256
    settings: str  # JSON


def fingerprint(
    service: Service, platform: Platform, root: Path, extra: Mapping[str, str], *, cache: Path | None = None
) -> Fingerprint:
    """Return the fingerprint of a service and all that it depends on, the same on every machine.

    Every file in their folders counts but version control, caches, virtualenvs and, within a
    service's folder, the folders of other services; files that settings name outside of it count
    too. `extra` is what else matters: the Python, the environment's key. With `cache`, a folder
    for each checkout, files that look unchanged aren't read again.
    """
    root = root.resolve()
    files: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for name in _closure(platform, service.name):
        each = platform.services[name]
        place = _place((root / each.path).resolve(), root, name)
        for path, digest in service_digests(each, platform, root, cache=cache).items():
            files[posixpath.normpath(f"{place}{path}")] = digest
        settings[name] = _settings(each, place)
    text = json.dumps({"services": settings, "noxlib": __version__, **extra}, sort_keys=True)
    content = json.dumps([sorted(files.items()), text])
    return Fingerprint(digest=hashlib.sha256(content.encode()).hexdigest(), files=files, settings=text)


def service_digests(
    service: Service, platform: Platform, root: Path, *, cache: Path | None = None
) -> dict[str, str]:
    """Return the digest of each file that `fingerprint` counts for one service, by its path in there."""
    folders = {name: (root / each.path).resolve() for name, each in platform.services.items()}
    folder = folders[service.name]
    others = frozenset(str(each) for each in folders.values() if each != folder)
    known = _Hashes(cache / f"{service.name}.json" if cache else None)
    found = {
        path: digest
        for path, file in (*_walk(str(folder), others), *_named(service, folder))
        if (digest := known.digest(path, file))
    }
    known.save()
    return found


def changed(old: Fingerprint, new: Fingerprint) -> list[str]:
    """Name what differs: files that changed, came or went, and settings as `services.cs1.env`."""
    names = sorted(old.files.keys() | new.files.keys())
    found = [name for name in names if old.files.get(name) != new.files.get(name)]
    return found + list(_differences(json.loads(old.settings), json.loads(new.settings), ""))


def _differences(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield place


def _closure(platform: Platform, name: str) -> list[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found and each in platform.services:
            found.add(each)
            waiting += platform.services[each].depends_on
    return sorted(found)


def _place(folder: Path, root: Path, name: str) -> str:
    """Return what a service's files are called by: where it lies outside, only its name is portable."""
    if folder == root:
        return ""
    return f"{folder.relative_to(root).as_posix()}/" if folder.is_relative_to(root) else f"{name}:"


def _settings(service: Service, place: str) -> Any:
    """Return a service's settings, but for what only gates ask: they judge an old run again."""
    found = to_json(service) | {"path": place}
    del found["approvals"], found["coverage"]["fail_under"]
    for suite in found["types"].values():
        del suite["fail_under"], suite["thresholds"]
    return found


def _named(service: Service, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the files that settings and commands name, wherever they lie, whatever their folder is called."""
    locks = filter(None, (service.install.lock, *service.install.constraints))
    named = [each for each in locks if each.startswith(("..", "/"))]
    named += [pattern for each in service.postgres for pattern in (*each.seed, *each.migrations)]
    for pattern in named:
        # Path.glob knows no "..".
        for path in sorted(glob.glob(str(folder / pattern), recursive=True)):  # noqa: PTH207
            yield relative(path, folder), path
    words = (word for each in service.postgres for word in (*each.migrate, *each.seed_command))
    for word in words:
        path = word.rpartition("=")[2]  # --file=schema.sql
        if path and not path.startswith("/") and os.path.isfile(folder / path):  # noqa: PTH113  too long a word
            yield relative(folder / path, folder), str(folder / path)


def relative(path: str | Path, folder: Path) -> str:
    """Return a path as seen from a service's folder, with POSIX slashes: "../common/schema.sql"."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _walk(top: str, others: frozenset[str]) -> Iterator[tuple[str, str | os.DirEntry[str]]]:
    """Yield relative path and entry of all files below. Links are followed, each folder once."""
    seen: set[tuple[int, int]] = set()
    waiting = [(top, "")]
    while waiting:
        folder, place = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                names = sorted(entries, key=lambda entry: entry.name)
            here = os.stat(folder)  # noqa: PTH116  strings are three times as quick here
        except OSError:
            yield f"{place}.", folder  # the digest says why it can't be read
            continue
        if (here.st_dev, here.st_ino) in seen:
            continue
        seen.add((here.st_dev, here.st_ino))
        if place and any(entry.name in MARKS for entry in names):
            continue
        for entry in names:
            path = f"{place}{entry.name}"
            if _is_folder(entry):
                if _wanted(entry, place, others):
                    waiting.append((entry.path, f"{path}/"))
            elif not entry.name.endswith(SKIPPED_SUFFIXES) and not _coverage_data(entry.name):
                yield path, entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def _wanted(entry: os.DirEntry[str], place: str, others: frozenset[str]) -> bool:
    name = entry.name
    if name in SKIPPED or name in SKIPPED_CACHES or name.endswith(SKIPPED_SUFFIXES):
        return False
    return not (name in BUILT and not place) and entry.path not in others


def _coverage_data(name: str) -> bool:
    return name == ".coverage" or name.startswith(".coverage.")


class _Hashes:
    """Digests by path, and how the file looked when it was read."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._old: dict[str, list[Any]] = {}
        self._new: dict[str, list[Any]] = {}
        if path:
            with contextlib.suppress(OSError, ValueError):
                loaded = json.loads(path.read_text(encoding="utf-8"))
                self._old = loaded if isinstance(loaded, dict) else {}

    def digest(self, name: str, file: str | os.DirEntry[str]) -> str:
        """Return the digest of a file, or what keeps it from having one; "" for sockets and pipes."""
        try:
            found = os.stat(file)  # noqa: PTH116  strings and entries, for speed
            if not stat.S_ISREG(found.st_mode):
                return "unreadable" if stat.S_ISDIR(found.st_mode) else ""
            look = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
            old = self._old.get(name)
            if old and old[1:] == look:
                self._new[name] = old
                return str(old[0])
            now = time.time_ns()
            digest = _sha256(os.fspath(file))
        except OSError as error:
            return f"unreadable: {errno.errorcode.get(error.errno or 0, 'unknown')}"
        if max(found.st_mtime_ns, found.st_ctime_ns) < now - TICK_NS:
            self._new[name] = [digest, *look]
        return digest

    def save(self) -> None:
        """Keep what was found for the next time, if there is anything new."""
        if self._path and self._new != self._old:
            with contextlib.suppress(RecordError):
                write_whole(self._path, json.dumps(self._new))


def _sha256(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123  as above
        while chunk := stream.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()[:16]
