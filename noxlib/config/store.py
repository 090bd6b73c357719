"""Validated platforms, kept as JSON under a hash of all that they were made from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import noxlib
from noxlib.errors import RecordError
from noxlib.files import write_whole
from noxlib.model import Platform, Service, SuiteSettings, from_json, to_json

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


# Most services run most types with the same settings, and building 800 of them is what a load
# costs: equal ones are kept once, and shared by the services that have them.


def _packed(platform: Platform) -> dict[str, Any]:
    data = to_json(platform)
    parts: dict[str, int] = {}
    for service in data["services"].values():
        for kind, suite in service["types"].items():
            service["types"][kind] = parts.setdefault(json.dumps(suite), len(parts))
    return {"platform": data, "suites": [json.loads(part) for part in parts]}


def _unpacked(data: dict[str, Any]) -> Platform:
    suites = [from_json(SuiteSettings, part) for part in data["suites"]]
    services = data["platform"].pop("services")
    platform = from_json(Platform, data["platform"] | {"services": {}})
    for name, service in services.items():
        types = {kind: suites[index] for kind, index in service.pop("types").items()}
        platform.services[name] = replace(from_json(Service, service), types=types)
    return platform
