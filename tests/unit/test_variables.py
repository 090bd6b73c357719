from __future__ import annotations

import re
from pathlib import Path

import pytest

from noxlib import variables
from noxlib.errors import UsageError

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"NOXLIB_[A-Z]+(?:_[A-Z]+)*")


def refused(environ: dict[str, str]) -> list[str]:
    with pytest.raises(UsageError) as caught:
        variables.check(environ, pytest.fail)
    assert caught.value.remedy
    return caught.value.message.splitlines()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        *((f"NOXLIB_{name}", value, '"on" or "off"') for name in ("PG_SYSTEM", "REDIS_SYSTEM", "TMPFS", "UV")
          for value in ("maybe", "OFF", "0", "no", "off ")),
        ("NOXLIB_BOX", "Guarded", '"guarded" or "namespace"'),
        ("NOXLIB_CACHE", "rel/ative", "an absolute path"),
        ("NOXLIB_CACHE", "~/cache", "an absolute path"),
        ("NOXLIB_MACHINE_LOCK", "x", '"held"'),
        ("NOXLIB_RACE_SEED", "seven", "a whole number"),
        ("NOXLIB_TMPFS_SIZE", "lots", 'a size such as "512m", "2g" or "50%"'),
        ("NOXLIB_TMPFS_SIZE", "0", 'a size such as "512m", "2g" or "50%"'),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused_with_those_that_do(name: str, value: str, words: str) -> None:
    (line,) = refused({name: value})
    assert line.startswith(f"{name}={value}: unknown ")
    assert line.endswith(f", must be {words}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOXLIB_PG_SYSTEM", "off"),
        ("NOXLIB_UV", "on"),
        ("NOXLIB_UV", ""),
        ("NOXLIB_BOX", "guarded"),
        ("NOXLIB_CACHE", "/a b\nc"),
        ("NOXLIB_STATE", "anywhere"),
        ("NOXLIB_TMPFS_SIZE", "50%"),
        ("NOXLIB_TMPFS_SIZE", "512M"),
        ("NOXLIB_SESSION", "x"),
        ("HOME", "/"),
    ],
)
def test_a_value_that_means_something_is_taken(name: str, value: str) -> None:
    variables.check({name: value}, pytest.fail)


def test_all_values_are_refused_at_once() -> None:
    found = refused({"NOXLIB_UV": "x", "NOXLIB_BOX": "x", "NOXLIB_PG_BIN": "x"})
    assert [line.partition("=")[0] for line in found] == ["NOXLIB_BOX", "NOXLIB_UV"]


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("NOXLIB_BOXX", " Did you mean NOXLIB_BOX?"),
        ("NOXLIB_PG_SYTSEM", " Did you mean NOXLIB_PG_SYSTEM?"),
        ("NOXLIB_VERSION", ""),  # somebody's pin of noxlib
    ],
)
def test_an_unknown_name_is_a_warning_with_the_nearest_one(name: str, guess: str) -> None:
    said: list[str] = []
    variables.check({name: "x"}, said.append)
    assert said == [f"{name} is set, and noxlib knows no such variable.{guess}"]


def test_every_variable_that_the_code_and_the_pages_name_is_known() -> None:
    files = [ROOT / "noxfile.py", ROOT / "services.toml", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.*")]
    files += [
        path
        for each in ("noxlib", "tests/chaos", "tests/performance")
        for path in ROOT.glob(f"{each}/**/*.py")
    ]
    used = {name for path in files for name in NAME.findall(path.read_text(encoding="utf-8"))}
    assert used == variables.VARIABLES.keys()
