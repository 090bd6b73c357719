"""From a document whose shape is right to the model: defaults below, services above."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from functools import cache, reduce
from pathlib import Path
from typing import Any

from noxlib.config.faults import PLAIN
from noxlib.config.quantities import is_glob
from noxlib.model import TEST_TYPES, Platform, from_json

DEFAULTS = Path(__file__).parent.parent / "defaults.toml"
_WAYS = ("http", "tcp", "log", "command")

Table = dict[str, Any]


@cache
def built_in() -> Table:
    """Return noxlib's own defaults, with the model's values."""
    from pydantic import TypeAdapter  # noqa: PLC0415  beside its only use

    from noxlib.config.file import toml  # noqa: PLC0415
    from noxlib.config.shape import BuiltIn  # noqa: PLC0415

    adapter: TypeAdapter[Any] = TypeAdapter(BuiltIn)
    defaults: Table = adapter.validate_python(toml().loads(DEFAULTS.read_text("utf-8")))
    return defaults


def build(document: Table) -> Platform:
    """Return the Platform; a service's `source` stays empty where it wasn't given."""
    platform = merged(built_in()["platform"], document.get("platform", {}))
    shared = merged(
        {"install": built_in()["install"], "coverage": built_in()["coverage"]},
        {"install": {"tools": platform["tools"]}},
        document.get("defaults", {}),
    )
    services = {
        name: _service(name, service, platform, shared) for name, service in document["services"].items()
    }
    scenarios = plain(document.get("scenarios", {}))
    return from_json(Platform, {"name": platform["name"], "services": services, "scenarios": scenarios})


def merged(*layers: Mapping[str, Any]) -> Table:
    """Return the layers merged, later ones above: tables key by key, other values as a whole."""
    return reduce(_merge, layers, {})


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Table:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


def _service(name: str, given: Table, platform: Table, shared: Table) -> Table:
    defaults = built_in()
    process = given.get("process")
    return {
        "name": name,
        "path": given["path"],
        "source": given.get("source", ()),
        "depends_on": given.get("depends_on", ()),
        "pythons": given.get("pythons") or platform["pythons"],
        "env": merged(platform["env"], given.get("env", {})),
        "pass_env": list(dict.fromkeys([*platform["pass_env"], *given.get("pass_env", ())])),
        "install": merged(shared["install"], given.get("install", {})),
        "coverage": merged(shared["coverage"], given.get("coverage", {})),
        "postgres": [_postgres(server, table) for server, table in given.get("postgres", {}).items()],
        "redis": merged(defaults["redis"], given["redis"]) if "redis" in given else None,
        "process": _process(merged(defaults["process"], process)) if process else None,
        "types": {kind: _suite(kind, given, shared) for kind in TEST_TYPES},
        "approvals": given.get("approvals", ()),
    }


def _suite(kind: str, given: Table, shared: Table) -> Table:
    tables = [source.get("types", {}).get(kind, {}) for source in (built_in(), shared, given)]
    return merged(built_in()["suite"], *tables)


def _postgres(server: str, given: Table) -> Table:
    table = merged(built_in()["postgres"], given)
    seed = table["seed"]
    command = bool(seed) and not is_glob(seed[0])
    return table | {
        "name": "postgres" if server == PLAIN else f"postgres.{server}",
        "seed": [] if command else seed,
        "seed_command": seed if command else [],
    }


def _process(table: Table) -> Table:
    ready = table["ready"]
    if not any(ready.get(way) for way in _WAYS):
        ready = ready | {"tcp": True}
    return table | {"ready": ready}


def plain(value: Any) -> Any:
    """Return a TOML value as JSON can hold it: dates and times become ISO strings."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, (date, time)) else value
