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

    @property
    def place(self) -> str:
        """Where the session's settings stand in services.toml."""
        return f"services.{self.service.name}.types.{self.plan.type}"


def outcomes(case: Case) -> tuple[Outcome, ...] | None:
    """Return the tests' ends as the plugin wrote them; None when it wrote none."""
    data = read_json(case.folder / "outcomes.json")
    return None if data is None else tuple(from_json(Outcome, each) for each in data)


def read_json(path: Path) -> Any:
    """Return a file's content, None when there is no such file or it isn't JSON."""
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=8)
def _parsed(path: Path, _version: int) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
