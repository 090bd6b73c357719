"""The tutorial and the how-to pages, done as a reader would."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from noxlib import launch
from noxlib.testing import Project

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"^`([\w./]+)`\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shell(project: Project, line: str) -> launch.Completed:
    """Run a line of a page in a shell where `nox` is ours."""
    bin_folder = project.folder.parent / "bin"
    bin_folder.mkdir(exist_ok=True)
    nox = bin_folder / "nox"
    # The pages' noxfiles name noxlib in a script header; here it is on the path already.
    nox.write_text(f'#!/bin/sh\nNOX_SCRIPT_MODE=none exec "{sys.executable}" -m nox "$@"\n')
    nox.chmod(nox.stat().st_mode | stat.S_IXUSR)
    env = project.environment({"PATH": f"{bin_folder}:{os.environ['PATH']}"})
    setting = launch.Setting(cwd=project.folder, env=env, sink=lambda _chunk: None)
    return launch.run(["sh", "-c", line], setting, timeout=120)


def test_the_tutorial_and_the_pages_that_build_on_it_work(tmp_path: Path) -> None:
    project = Project(tmp_path / "shop")
    tutorial = (DOCS / "tutorial/first-service.md").read_text(encoding="utf-8")
    project.write(dict(FILE.findall(tutorial)))
    pages = [tutorial, (DOCS / "how-to/debug-a-failure.md").read_text(encoding="utf-8")]
    lines = [line for page in pages for block in CONSOLE.findall(page) for line in block.splitlines()]
    assert len(lines) >= 4
    for line in lines:
        done = shell(project, line.removeprefix("$ "))
        assert done.code == 0, f"{line}\n{done.output}"


def test_the_harness_examples_do_what_the_page_says(tmp_path: Path) -> None:
    project = Project(tmp_path / "shop")
    tutorial = (DOCS / "tutorial/first-service.md").read_text(encoding="utf-8")
    page = (DOCS / "how-to/harnesses.md").read_text(encoding="utf-8")
    race, stress, chaos = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    process = '\n[services.shop.process]\ncommand = ["python", "-m", "http.server", "{port}"]\n'
    files = dict(FILE.findall(tutorial))
    project.write(
        {
            **files,
            "services.toml": files["services.toml"] + process,
            "tests/race/test_race.py": race,
            "tests/stress/test_stress.py": stress,
            "tests/chaos/test_chaos.py": chaos,
        }
    )
    assert shell(project, "nox -s stress-shop chaos-shop").code == 0
    raced = shell(project, "nox -s race-shop")
    assert raced.code == 1
    assert "NOXLIB_RACE_SEED=" in raced.output
