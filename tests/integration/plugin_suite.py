"""One test file in one session, run by a pytest that has the plugin."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from noxlib import launch
from noxlib.model import SessionFile, SessionPlan, SuiteSettings, to_json

SESSION = SessionFile(
    plan=SessionPlan(
        name="unit-a", service="a", type="unit", python="", tags=(), description="", exclusive=False
    ),
    service_folder="",
    run_folder="",
    examples_folder="",
    control="",
    token="token",
    box="guarded",
    network="closed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    output: str
    folder: Path

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        rows = json.loads((self.folder / "run/outcomes.json").read_text())
        return {row["test"].rpartition("::")[2]: row for row in rows}


class Suite:
    """One test file in one session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()
        (folder / "tests").mkdir()

    def run(self, kind: str, text: str, *words: str, env: dict[str, str] | None = None, **more: Any) -> Ended:
        (self.folder / "tests/test_it.py").write_text(text)
        found = replace(
            SESSION,
            plan=replace(SESSION.plan, name=f"{kind}-a", type=kind),
            service_folder=str(self.folder),
            run_folder=str(self.folder / "run"),
            examples_folder=str(self.folder / "examples"),
            control=str(self.folder / "control"),
            settings=SuiteSettings(users=2, run_time=0.2),
        )
        session = self.folder / "session.json"
        session.write_text(json.dumps(to_json(replace(found, **more))))
        dropped = ("NOXLIB_SESSION_TAKEN", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
        environment = {key: value for key, value in os.environ.items() if key not in dropped}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "tests"]
        if not _installed():
            command[3:3] = ["-p", "noxlib.pytest_plugin"]
        package = str(Path(__file__).parents[2])
        done = launch.run(
            command,
            launch.Setting(
                cwd=self.folder,
                env={**environment, "NOXLIB_SESSION": str(session), "PYTHONPATH": package, **(env or {})},
                sink=lambda _chunk: None,
            ),
            timeout=60,
        )
        return Ended(code=done.code, output=done.output, folder=self.folder)


def _installed() -> bool:
    return any(each.name == "noxlib" for each in entry_points(group="pytest11"))
