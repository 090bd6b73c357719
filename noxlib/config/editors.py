"""The JSON Schema of services.toml, from the same shape that validates it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from noxlib.config import quantities, shape
from noxlib.config.building import DEFAULTS
from noxlib.config.file import toml

_DEFAULTS = {
    "Platform": "platform",
    "Install": "install",
    "Coverage": "coverage",
    "Postgres": "postgres",
    "Redis": "redis",
    "Process": "process",
    "Suite": "suite",
    "Performance": "suite",
    "Stress": "suite",
}


def document_schema() -> dict[str, Any]:
    """Return the schema, defaults filled in as defaults.toml writes them."""
    result = TypeAdapter(shape.Document).json_schema()
    tables = result["$defs"]
    built_in = toml().loads(DEFAULTS.read_text("utf-8"))
    for title, name in _DEFAULTS.items():
        for key, value in built_in[name].items():
            if not isinstance(value, dict) and key in tables[title]["properties"]:
                tables[title]["properties"][key]["default"] = value
    _add_servers(tables)
    for table in ("services", "scenarios"):
        result["properties"][table]["propertyNames"] = {"pattern": quantities.NAME}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result, "title": "services.toml"}


def _add_servers(tables: dict[str, Any]) -> None:
    """Let [services.x.postgres] hold further servers beside its own keys."""
    one = {"$ref": "#/$defs/Postgres"}
    tables["Servers"] = {**tables["Postgres"], "title": "Servers", "additionalProperties": one}
    tables["Service"]["properties"]["postgres"] = {"$ref": "#/$defs/Servers"}
