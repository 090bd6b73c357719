"""The shape of a document: what doesn't fit becomes a problem in the words of services.toml."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import get_type_hints, is_typeddict

from noxlib.config import quantities, shape
from noxlib.config.file import EXAMPLE
from noxlib.config.positions import Path
from noxlib.config.problems import Problems, choices, described, quoted
from noxlib.model import TEST_TYPES

MOST_SERVICES = 500
RESERVED = (*TEST_TYPES, "all-types", "coverage-report", "lint", "docs", "soak", "corpus")
PLAIN = ""  # the key of [services.x.postgres] itself, among its sub-tables; no legal name

# By the length of the key's path and its last part.
_STAND_INS: dict[tuple[int, str | int], Any] = {(3, "path"): ".", (4, "command"): ["-"]}
_NO_SERVICE = f"there is no service. Give {EXAMPLE}"
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "an array",
    "dict_type": "a table",
}


def checked(document: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Return the document with the model's values; what is wrong is noted and left out."""
    rest = copy.deepcopy(document)
    _check_names(rest, problems)
    _split_postgres(rest, problems)
    adapter = _adapter()
    report = True  # once: what the pruning leaves incomplete is no fault of the user's
    while True:
        try:
            return adapter.validate_python(rest)  # type: ignore[no-any-return]
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if report:
                    problems.add(*_problem(detail))
                _prune(rest, detail)
            report = False
            if not rest.get("services"):
                return {"services": {}}


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(shape.Document)


def _check_names(document: dict[str, Any], problems: Problems) -> None:
    """Leave out services and scenarios whose names could do harm or be mistaken."""
    for table in ("services", "scenarios"):
        named = document.get(table)
        if not isinstance(named, dict):
            continue
        if len(named) > MOST_SERVICES:
            problems.add([table], f"{len(named)} are more than the limit of {MOST_SERVICES}")
            problems.fail()
        for name in list(named):
            if fault := service_name_fault(name) if table == "services" else _name_fault(name):
                problems.add([table, name], fault)
                del named[name]


def service_name_fault(name: str) -> str:
    """Say why a service can't be called so, or return ""."""
    if name in RESERVED:
        return f'"{name}" is reserved: it is a session, a tag or a test type. Choose another name'
    return _name_fault(name)


def _name_fault(name: str) -> str:
    try:
        quantities.name(name)
    except ValueError as error:
        return str(error)
    return ""


def _split_postgres(document: dict[str, Any], problems: Problems) -> None:
    """Turn each service's postgres table into one table per server, the plain one under PLAIN."""
    services = document.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        table = service.get("postgres") if isinstance(service, dict) else None
        if not isinstance(table, dict):
            continue
        legal = get_type_hints(shape.Postgres)
        servers: dict[str, Any] = {}
        plain = {key: value for key, value in table.items() if key in legal or not isinstance(value, dict)}
        if plain or not table:
            servers[PLAIN] = plain
        for key in (key for key in table if key not in plain):
            path = ["services", name, "postgres", key]
            if near := get_close_matches(key, ("settings", "env", "external"), 1, 0.75):
                problems.add(
                    path, f'unknown key. Did you mean "{near[0]}"? (Another server needs another name)'
                )
            elif fault := _name_fault(key):
                problems.add(path, fault)
            else:
                servers[key] = table[key]
        service["postgres"] = servers


def _problem(detail: ErrorDetails) -> tuple[Iterable[str | int], str]:
    location = _location(detail)
    kind = detail["type"]
    words = _WORDS.get(kind) or (_not_expected if kind in _EXPECTED else _other)
    fault = words(detail, location)
    if location[2:4] == ("postgres", PLAIN):
        location = location[:3] + location[4:]
    return location, fault


def _not_expected(detail: ErrorDetails, _: Path) -> str:
    return f"must be {_EXPECTED[detail['type']]}, not {described(detail['input'])}"


def _unknown(_: ErrorDetails, location: Path) -> str:
    hint, key = _hint(location[:-1]), str(location[-1])
    what = "unknown test type" if hint is shape.Types else "unknown key"
    if location[-3:-2] == ("types",):
        owners = [kind for kind, suite in get_type_hints(shape.Types).items() if key in get_type_hints(suite)]
        if owners:
            return f"only {' and '.join(owners)} can have this key"
    return f"{what}. {choices(key, get_type_hints(hint))}"


def _missing(_: ErrorDetails, location: Path) -> str:
    return _NO_SERVICE if location == ("services",) else f'is missing. Add the key "{location[-1]}"'


def _empty(_: ErrorDetails, location: Path) -> str:
    return _NO_SERVICE if location == ("services",) else "must not be empty"


def _no_choice(detail: ErrorDetails, location: Path) -> str:
    value = detail["input"]
    legal = [str(item) for item in get_args(_hint(location))]
    if not isinstance(value, str):
        return f"must be one of {', '.join(legal)}, not {described(value)}"
    return f"unknown value {quoted(value)}. {choices(value, legal)}"


def _refused(detail: ErrorDetails, _: Path) -> str:
    fault = str(detail["ctx"]["error"])
    return f"{fault}, not {described(detail['input'])}" if fault.startswith("must be ") else fault


def _too_long(detail: ErrorDetails, _: Path) -> str:
    context = detail["ctx"]
    return f"has {context['actual_length']} items, more than the limit of {context['max_length']}"


def _other(detail: ErrorDetails, _: Path) -> str:
    return f"{detail['msg'].replace('Input should be', 'must be')}, not {described(detail['input'])}"


_WORDS: dict[str, Callable[[ErrorDetails, Path], str]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "literal_error": _no_choice,
    "value_error": _refused,
    "too_long": _too_long,
    "too_short": _empty,
}


def _location(detail: ErrorDetails) -> Path:
    location = detail["loc"]
    if detail["type"] == "value_error" and location[-1:] == ("[key]",):
        return location[:-1]  # a fault of a key, not of its value
    return location


def _hint(location: Path) -> Any:
    """Return the type that the shape has at a location."""
    hint: Any = shape.Document
    for part in location:
        hint = get_type_hints(hint)[str(part)] if is_typeddict(hint) else get_args(hint)[-1]
    return hint


def _prune(document: dict[str, Any], detail: ErrorDetails) -> None:
    """Leave out what a problem is about: a list as a whole, a table that lacks a key too.

    A service's path and a process' command have stand-ins, so that what else is wrong with them is
    found at once.
    """
    location = list(_location(detail))
    stand_in = None
    if detail["type"] == "missing":
        stand_in = _STAND_INS.get((len(location), location[-1]))
        if stand_in is None:
            location.pop()
    for index, part in enumerate(location):
        if isinstance(part, int):
            location = location[:index]
            break
    table: Any = document
    for part in location[:-1]:
        table = table.get(part, {})
    if stand_in is not None:
        table[location[-1]] = stand_in
    elif location:
        table.pop(location[-1], None)
