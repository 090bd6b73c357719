"""The reference pages that are made from the code are those that the code makes now."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from noxlib import config

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
GENERATOR = runpy.run_path(str(REFERENCE / "generate.py"))


@pytest.mark.parametrize(("name", "text"), GENERATOR["pages"]().items(), ids=lambda value: value[:16])
def test_a_generated_page_is_current(name: str, text: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == text, f"{name} isn't current: run `{GENERATOR['COMMAND']}` and commit it"


def test_every_table_of_the_schema_has_its_place() -> None:
    described = {definition for _, definition, _, _ in GENERATOR["TABLES"]}
    holders = {"Defaults", "Types", "Servers", "Performance", "Step"}  # hold other tables, or the same keys
    assert set(config.schema()["$defs"]) - holders == described
