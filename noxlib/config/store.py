"""Validated platforms, kept as JSON under a hash of all that they were made from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import noxlib
from noxlib.errors import RecordError
from noxlib.files import write_whole
from noxlib.model import Platform, from_json, to_json

KEPT = 3
_PACKAGE = Path(__file__).parent.parent


def file_for(folder: Path, data: bytes) -> Path:
    """Return where the platform of a services.toml with these bytes is kept."""
    made_of = [_PACKAGE / "model.py", _PACKAGE / "templates.py", _PACKAGE / "defaults.toml"]
    made_of += sorted((_PACKAGE / "config").glob("*.py"))
    digest = hashlib.sha256(noxlib.__version__.encode())
    for part in (data, *(path.read_bytes() for path in made_of)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return folder / f"platform-{digest.hexdigest()[:32]}.json"


def fetch(path: Path) -> Platform | None:
    """Return what is kept there; None when there is nothing, or nothing whole."""
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if checksum.decode(errors="replace") != hashlib.sha256(body).hexdigest():
        return None
    return _unpacked(json.loads(body))


def keep(path: Path, platform: Platform) -> None:
    """Keep a platform, and remove all but the newest files of its kind."""
    body = json.dumps(_packed(platform)).encode()
    try:
        write_whole(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    except RecordError:
        return  # a cache that can't be written costs time, nothing else
    ages = {}
    for old in path.parent.glob("platform-*.json"):
        try:
            ages[old] = old.stat().st_mtime_ns
        except FileNotFoundError:
            continue  # another load removed it
    for old in sorted(set(ages) - {path}, key=ages.__getitem__, reverse=True)[KEPT - 1 :]:
        old.unlink(missing_ok=True)


def _packed(platform: Platform) -> dict[str, Any]:
    return {"platform": to_json(platform)}


def _unpacked(data: dict[str, Any]) -> Platform:
    return from_json(Platform, data["platform"])
