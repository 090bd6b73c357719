"""The JSON Schema of services.toml, as editors read it."""

from __future__ import annotations

from dataclasses import fields

from noxlib import config
from noxlib.config import editors
from noxlib.model import Postgres, Process, Ready, Redis, SuiteSettings


def test_the_schema_forbids_unknown_keys_everywhere_but_in_scenarios() -> None:
    tables = config.schema()["$defs"]
    loose = {name for name, table in tables.items() if table["additionalProperties"] is True}
    assert loose == {"Scenario", "Step"}


def test_the_schema_describes_keys_and_shows_defaults() -> None:
    tables = config.schema()["$defs"]
    timeout = tables["Suite"]["properties"]["timeout"]
    assert timeout["default"] == "10m"
    assert timeout["description"] == "The session's time limit"
    assert {"string", "number"} == set(timeout["type"])
    assert tables["Servers"]["additionalProperties"] == {"$ref": "#/$defs/Postgres"}
    bare = {
        f"{name}.{key}"
        for name, table in tables.items()
        for key, value in table["properties"].items()
        if not {"description", "$ref"} & value.keys() and name not in ("Ceilings", "Step")
    }
    assert bare == {"Service.approvals", "Scenario.steps"}


def test_the_schema_knows_every_key_of_the_model() -> None:
    tables = editors.document_schema()["$defs"]
    known = {
        "Postgres": Postgres,
        "Redis": Redis,
        "Ready": Ready,
        "Process": Process,
        "Stress": SuiteSettings,
    }
    derived = {"name", "seed_command"}
    for name, kind in known.items():
        assert {item.name for item in fields(kind)} - derived == set(tables[name]["properties"])
