"""A suite of any type, on a machine of four cores, for the tests of command lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_records import session_plan

from noxlib.model import TEST_TYPES, Service, SuiteSettings
from noxlib.suites.suite import Suite


@pytest.fixture
def make_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Suite]:
    """Make a suite on a machine of four cores; keywords are fields of the suite, or of its settings."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})

    def suite(kind: str = "unit", **given: Any) -> Suite:
        fields = SuiteSettings.__dataclass_fields__
        settings = SuiteSettings(**{key: given.pop(key) for key in list(given) if key in fields})
        service = Service(name="cs1", path="cs1", source=("src",), types=dict.fromkeys(TEST_TYPES, settings))
        made = Suite(
            plan=session_plan(f"{kind}-cs1"),
            service=service,
            settings=settings,
            python="/env/bin/python",
            root=tmp_path,
            service_folder=tmp_path / "cs1",
            run_folder=tmp_path / "run",
            state_folder=tmp_path / ".noxlib",
            rcfile=None,
            environment={},
        )
        (made.folder / "tests" / kind).mkdir(parents=True, exist_ok=True)
        return replace(made, **given)

    return suite
