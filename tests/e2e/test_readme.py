"""The README's commands choose sessions that are there, and CI runs the one that it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from noxlib.testing import Project

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/how-to/run-in-ci.md")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINES = [
    line.removeprefix("$ ")
    for page in PAGES
    for block in CONSOLE.findall((ROOT / page).read_text(encoding="utf-8"))
    for line in block.splitlines()
    if line.startswith("$ ")
]


def nox_words(line: str) -> tuple[dict[str, str], list[str]]:
    """Return a command line's variables, and nox's own words."""
    words = shlex.split(line, comments=True)
    env = {}
    while "=" in words[0]:
        name, _, env[name] = words.pop(0).partition("=")
    words = words[: words.index("--")] if "--" in words else words
    assert words[0] == "nox" or words[:2] == ["python3", "noxfile.py"], line
    return env, words[1 if words[0] == "nox" else 2 :]


@pytest.mark.parametrize("line", LINES)
def test_a_command_chooses_sessions_that_are_there(line: str) -> None:
    env, words = nox_words(line)
    result = Project(ROOT).nox(*dict.fromkeys(["-l", *words]), env=env).assert_ok()
    chosen = [row for row in result.output.splitlines() if row.startswith("* ")]
    assert chosen or words == ["-l"], result.output


def test_ci_runs_the_readmes_test_command() -> None:
    command = next(line for line in LINES if "all-types" in line and line.startswith("python3"))
    words = " ".join(shlex.split(command, comments=True))
    assert words in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
