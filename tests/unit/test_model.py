from __future__ import annotations

import ast
import dataclasses
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest

from noxlib import errors, model
from noxlib.model import (
    Address,
    Evidence,
    Install,
    Lease,
    Platform,
    Postgres,
    Process,
    Service,
    SuiteSettings,
    from_json,
    to_json,
)


def _classes() -> list[type[Any]]:
    return [
        each for each in vars(model).values() if isinstance(each, type) and dataclasses.is_dataclass(each)
    ]


@pytest.mark.parametrize("kind", _classes(), ids=lambda each: each.__name__)
def test_every_value_is_frozen_slotted_and_built_by_keyword(kind: type[Any]) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert all(item.kw_only for item in dataclasses.fields(kind))
    assert kind.__doc__


@pytest.mark.parametrize("kind", _classes(), ids=lambda each: each.__name__)
def test_the_hints_of_every_value_can_be_read_at_run_time(kind: type[Any]) -> None:
    assert get_type_hints(kind).keys() == {item.name for item in dataclasses.fields(kind)}


def test_a_nested_value_survives_json() -> None:
    platform = Platform(
        name="acme",
        services={
            "cs1": Service(
                name="cs1",
                path="services/cs1",
                source=("src",),
                install=Install(lock=None, extras=("a",)),
                postgres=(
                    Postgres(settings={"a": "b"}, port=None),
                    Postgres(name="postgres.audit", port=5432),
                ),
                process=Process(command=("run", "{port}")),
                types={"unit": SuiteSettings(needs=("postgres",), fail_under=None, thresholds={"p95": 0.25})},
            )
        },
    )

    assert from_json(Platform, json.loads(json.dumps(to_json(platform)))) == platform


def test_optional_parts_stay_absent_or_present() -> None:
    direct = Lease(resource="cs1/postgres", kind="postgres", address=Address(port=5432))
    routed = dataclasses.replace(direct, via="proxy", upstream=Address(socket_folder="/run/x"))

    assert from_json(Lease, to_json(direct)) == direct
    assert from_json(Lease, to_json(routed)) == routed


def test_none_and_an_empty_tuple_of_needs_are_told_apart() -> None:
    for needs in (None, ()):
        assert from_json(SuiteSettings, to_json(SuiteSettings(needs=needs))).needs == needs


def test_a_key_that_a_newer_noxlib_wrote_is_ignored() -> None:
    assert from_json(Address, {"port": 1, "added_later": True}) == Address(port=1)


def test_a_key_that_an_older_noxlib_did_not_write_gets_its_default() -> None:
    found = from_json(Evidence, {"suite_exit": 0, "suite_seconds": 1.0, "ready_seconds": 0.1})

    assert found.servers == ()
    assert found.network == "closed"


def test_a_missing_field_without_a_default_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="suite_exit"):
        from_json(Evidence, {"suite_seconds": 1.0, "ready_seconds": 0.1})


def test_plain_values_pass_unchanged() -> None:
    assert to_json({"a": (1, [2.5, None]), "b": "c"}) == {"a": [1, [2.5, None]], "b": "c"}


def test_a_class_is_no_value() -> None:
    assert to_json(Address) is Address


def test_there_are_eight_test_types() -> None:
    assert len(set(model.TEST_TYPES)) == 8


@pytest.mark.parametrize("module", [model, errors], ids=lambda each: each.__name__)
def test_what_the_plugin_imports_needs_the_standard_library_only(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert found
    assert {str(each).partition(".")[0] for each in found} <= sys.stdlib_module_names
