"""Write the reference pages that are made from the code: services.toml, exit codes, variables.

`python docs/reference/generate.py`, with a Python that has what noxlib needs.
"""

# ruff: noqa: INP001  a script beside the pages it writes
from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from noxlib import config, errors, templates, variables  # noqa: E402  from this checkout
from noxlib.config.building import DEFAULTS  # noqa: E402
from noxlib.config.file import toml  # noqa: E402

COMMAND = "python docs/reference/generate.py"
SOURCES = "noxlib/config/shape.py, defaults.toml, errors.py or variables.py"
NOTE = f"<!-- Made by `{COMMAND}`. Change {SOURCES}, not this. -->\n"

# heading, definition in the schema, table of defaults.toml, definition whose keys were listed already
TABLES = (
    ("[platform]", "Platform", "platform", ""),
    ("[services.NAME]", "Service", "", ""),
    ("[services.NAME.install]", "Install", "install", ""),
    ("[services.NAME.coverage]", "Coverage", "coverage", ""),
    ("[services.NAME.postgres]", "Postgres", "postgres", ""),
    ("[services.NAME.postgres.external]", "External", "", ""),
    ("[services.NAME.process]", "Process", "process", ""),
    ("[services.NAME.process.ready]", "Ready", "process.ready", ""),
    ("[services.NAME.types.TYPE]", "Suite", "suite", ""),
    ("[services.NAME.types.stress]", "Stress", "suite", "Suite"),
    ("[services.NAME.types.stress.thresholds]", "StressThresholds", "", ""),
    ('[services.NAME.types.performance.thresholds."GLOB"]', "Ceilings", "", ""),
    ("[[services.NAME.approvals]]", "Approval", "", ""),
    ("[services.NAME.redis]", "Redis", "redis", ""),
    ("[scenarios.NAME]", "Scenario", "", ""),
)
REMARKS = {
    "Service": "A name is a lower-case letter, then at most 39 of `a-z`, `0-9`, `-` and `_`. Without `source`"
    " it is the first folder that exists of `src/NAME`, `NAME` and `src`, else the service's whole folder.",
    "Postgres": "Further servers of a service have a name: `[services.NAME.postgres.audit]`, with the same"
    " keys. `proxy` is refused as not available yet.",
    "External": "See [the how-to page](../how-to/external-postgres.md).",
    "Ready": "A redirect counts as an answer too. `log` matches lines of the present start only. `command`"
    " runs where the process does, in its environment, until it ends with 0; each run may take 5 s.",
    "Suite": "`workers` counts for `unit` (`auto`: a worker for each core, at most eight, none beside other"
    " sessions) and, given as a number, for `integration`; the other types run in one process unless `args`"
    " asks for more. `cache = true` does nothing yet.",
    "Redis": "Redis' and Valkey's versions are compared alike. See [the how-to page](../how-to/redis.md).",
    "Scenario": "Read and checked, and nothing runs them yet.",
}
TOP = """# services.toml

One file beside `noxfile.py` says what there is to test. What a service doesn't say is taken from
`[defaults.install]`, `[defaults.coverage]` and `[defaults.types.TYPE]` of the same file, and last from
noxlib's own `defaults.toml`. Tables merge key by key; a list replaces the one below it.
`python -m noxlib check` says every mistake at once; `python -m noxlib schema` prints the JSON Schema.

Lengths of time are `"250ms"`, `"20s"`, `"5m"`, `"1h30m"` or a number of seconds.
"""
CODES = """# Exit codes

A session that fails ends nox with 1. Where its suite could not begin, the message before it names the
class below, or what it is about, with the number: `integration-shop: failed: ResourceError, exit code
14, before the suite began`, `nox > Session unit-shop aborted: services.toml: exit code 11`. A suite that
ran is judged by gates, and the verdict names those that failed. While nox reads services.toml, and for
`python -m noxlib`, the class is the exit code.

| code | error | means |
|---|---|---|
"""


KINDS = {
    "user": """# Environment variables

A session, and each command of `python -m noxlib` but `doctor`, refuses a value that it can't
understand; an empty value counts as none. A name that isn't listed here is a warning.""",
    "internal": "Set by noxlib, for what runs in a session or for itself:",
    "test": "Read by noxlib's own tests:",
}


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    return {
        "services-toml.md": NOTE + services_toml(),
        "exit-codes.md": NOTE + exit_codes(),
        "environment-variables.md": NOTE + environment_variables(),
    }


def services_toml() -> str:
    """Describe every key, from the schema that validates it and the defaults that hold."""
    tables = config.schema()["$defs"]
    built_in = toml().loads(DEFAULTS.read_text("utf-8"))
    parts = [TOP]
    for heading, definition, defaults, listed in TABLES:
        table = tables[definition]
        known = _table(built_in, defaults)
        skipped = set(tables[listed]["properties"]) if listed else set()
        lines = [f"## `{heading}`", "", table["description"], ""]
        lines += [f"{REMARKS[definition]}\n"] if definition in REMARKS else []
        lines += ["| key | is | default | does |", "|---|---|---|---|"]
        lines += _rows(table, known, skipped)
        if definition == "Suite":
            lines += ["", *_types(built_in)]
        parts.append("\n".join([*lines, ""]))
    return "\n".join([*parts, _placeholders()])


def exit_codes() -> str:
    """List the error classes, by their codes."""
    classes: set[type[errors.NoxlibError]] = {
        each for each in vars(errors).values() if isinstance(each, type)
    }
    rows = [
        f"| {each.exit_code} | {each.__name__} | {(each.__doc__ or '').splitlines()[0]} |"
        for each in sorted(classes, key=lambda each: each.exit_code)
    ]
    return CODES + "\n".join([*rows, ""])


def environment_variables() -> str:
    """List the variables by who sets them."""
    parts = []
    for kind, heading in KINDS.items():
        rows = sorted((name, each.does) for name, each in variables.VARIABLES.items() if each.kind == kind)
        lines = [heading, "", "| variable | does |", "|---|---|"]
        parts.append("\n".join([*lines, *(f"| `{name}` | {does} |" for name, does in rows), ""]))
    return "\n".join(parts)


def _table(built_in: dict[str, Any], name: str) -> dict[str, Any]:
    found = built_in
    for part in name.split(".") if name else ():
        found = found[part]
    return found if name else {}


def _rows(table: dict[str, Any], defaults: dict[str, Any], skipped: set[str]) -> Iterator[str]:
    for key, value in table["properties"].items():
        if "$ref" in value or key in skipped or (value.get("items") or {}).get("$ref"):
            continue
        default = f"`{_toml(defaults[key])}`" if key in defaults else ""
        required = "required" if key in table.get("required", ()) else default
        text = value.get("description", "").replace("|", "\\|")
        yield f"| `{key}` | {_kind(value)} | {required} | {text} |"


def _kind(value: dict[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if value.get("examples"):
        return "time"
    if value.get("format") == "date":
        return "date"
    kind = value["type"]
    if kind == "array":
        return "list: " + _kind(value["items"]) if "enum" in value["items"] else "list"
    words = {"object": "table", "boolean": "true, false", "integer": "whole number"}
    return " or ".join(words.get(each, each) for each in ([kind] if isinstance(kind, str) else kind))


def _types(built_in: dict[str, Any]) -> Iterator[str]:
    yield "| type | default `timeout` |"
    yield "|---|---|"
    for kind, table in built_in["types"].items():
        merged = {**built_in["suite"], **table}
        yield f"| {kind} | `{_toml(merged['timeout'])}` |"


def _placeholders() -> str:
    rows = (
        ("`postgres.env`", templates.POSTGRES),
        ("`process.env`", templates.PROCESS),
        ("`redis.env`", templates.REDIS),
        (
            "`process.command`, `process.ready.command`, `types.TYPE.args`, `types.TYPE.command`",
            (*templates.COMMAND, "ENV:NAME"),
        ),
    )
    lines = ["## Placeholders", "", "`{{` and `}}` are literal braces.", "", "| in | may stand in braces |"]
    lines += ["|---|---|"]
    lines += [f"| {where} | {', '.join(f'`{each}`' for each in names)} |" for where, names in rows]
    return "\n".join([*lines, ""])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else re.sub("'", '"', str(value))


if __name__ == "__main__":
    for page, content in pages().items():
        (HERE / page).write_text(content, encoding="utf-8")
