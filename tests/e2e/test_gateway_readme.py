"""The lines with which the gateway's README plays with the platform, run as a reader would."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from test_platform import REPOSITORY, wait_for_urls

from noxlib import launch

README = REPOSITORY.folder / "services/gateway/README.md"
SECTION = re.compile(r"^## To play with it\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
INDENT = "    "
COPIED = re.compile(r"^ +export (?:CS1|PLANT|GATEWAY)_URL=.*\n", re.MULTILINE)


def lines_to_play_with() -> str:
    (section,) = SECTION.findall(README.read_text(encoding="utf-8"))
    return "".join(line for line in section.splitlines(keepends=True) if line.startswith(INDENT))


def test_the_lines_of_the_readme_hire_somebody_and_can_be_repeated(tmp_path: Path) -> None:
    for tool in ("bash", "curl", "sed"):
        assert shutil.which(tool), f"the README's lines need {tool}: install it"
    log = tmp_path / "nox.log"
    state = {"NOXLIB_STATE": str(tmp_path / "state")}
    child = launch.start(
        REPOSITORY.command("-s", "up-gateway"),
        launch.Setting(cwd=REPOSITORY.folder, env=REPOSITORY.environment(state), log=log),
    )
    try:
        wait_for_urls(child, log)
        exports = COPIED.findall(log.read_text())
        assert len(exports) == 3
        script = "".join([*exports, lines_to_play_with()])
        for _ in range(2):
            assert_it_hires(script)
    finally:
        child.send(signal.SIGINT)
        code = child.wait(30)
    assert code == 0, log.read_text()


def assert_it_hires(script: str) -> None:
    bare = launch.Setting(env={"PATH": os.environ["PATH"]}, sink=lambda _chunk: None)
    done = launch.run(["bash", "-euo", "pipefail", "-c", script], bare, timeout=60)
    assert done.code == 0, done.output
    hire, balance = done.output.splitlines()[-2:]
    assert '"state":"done"' in hire, done.output
    assert '"name":"Anna"' in hire, done.output
    assert '"balance":25000,' in balance, done.output
    assert "urn:" not in done.output, "a request was refused"
