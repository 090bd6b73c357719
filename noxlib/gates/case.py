"""What a gate is asked to judge, and what gates read: files of a run folder, never memory."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from noxlib.model import Evidence, Outcome, Service, SessionPlan, SuiteSettings, from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run of one session, and the settings that hold today."""

    plan: SessionPlan
    service: Service
    settings: SuiteSettings
    folder: Path  # the run's
    service_folder: Path
    evidence: Evidence
    today: dt.date
    posargs: tuple[str, ...] = ()
    pytest: bool = True  # the suite's command is noxlib's own pytest; False: another runner

    @property
    def log(self) -> Path:
        """What the suite printed."""
        return self.folder / "logs" / "suite.log"

    @property
    def place(self) -> str:
        """Where the session's settings stand in services.toml."""
        return f"services.{self.service.name}.types.{self.plan.type}"


def outcomes(case: Case) -> tuple[Outcome, ...] | None:
    """Return the tests' ends as the plugin wrote them; None when pytest never began.

    Of a suite that was cut short they are the ends up to then.
    """
    data = read_json(case.folder / "outcomes.json")
    if data is None:
        lines = progress(case)
        data = None if lines is None else [line["outcome"] for line in lines if line.get("outcome")]
    return None if data is None else tuple(from_json(Outcome, each) for each in data)


def finished(case: Case) -> bool:
    """Tell whether pytest came to the end of its tests."""
    return (case.folder / "outcomes.json").is_file()


def running(case: Case) -> list[str]:
    """Return the tests, and the test files being imported, that had begun and not ended."""
    found: dict[str, None] = {}
    for line in progress(case) or ():
        if "begun" in line:
            found[line["begun"]] = None
        else:
            found.pop(line.get("ended", ""), None)
    return list(found)


def deselected(case: Case) -> tuple[int, list[str]]:
    """Return how many tests were left out by -k, -m or a plugin, and the first of them."""
    found: dict[int, tuple[int, list[str]]] = {}
    for line in progress(case) or ():
        if "deselected" in line:
            count, first = found.get(line["by"], (0, []))
            found[line["by"]] = count + line["deselected"], first + line["first"]
    return max(found.values(), default=(0, []))


def refused(case: Case) -> str:
    """Return why a worker of xdist refused its arguments; "" when none did."""
    return next((line["refused"] for line in progress(case) or () if "refused" in line), "")


def progress(case: Case) -> list[dict[str, Any]] | None:
    """Return what the plugin noted while pytest was at work; None when it never was."""
    try:
        lines = (case.folder / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return [json.loads(line) for line in lines if line.endswith("}")]  # the last may be torn


def read_json(path: Path) -> Any:
    """Return a file's content, None when there is no such file or it isn't JSON."""
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=8)
def _parsed(path: Path, _version: int) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
