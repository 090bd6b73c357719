"""A session's plan and a run's record, of which a test says only what it is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from noxlib.model import Evidence, Record, SessionPlan, Verdict


def session_plan(name: str = "unit-cs1", **changes: Any) -> SessionPlan:
    """Make the plan of a session: its name says type and service."""
    kind, _, service = name.partition("-")
    plan = SessionPlan(
        name=name, service=service, type=kind, python="", tags=(), description="", exclusive=False
    )
    return replace(plan, **changes)


def record(**changes: Any) -> Record:
    """Make the record of a run that passed."""
    made = Record(
        run_id="1",
        plan=session_plan(),
        verdict=Verdict(passed=True, findings=()),
        evidence=Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1),
        fingerprint="f",
        started="2026-11-21T03:00:00+00:00",
        seconds=1.0,
        environment="key",
        python="3.12.1",
        counts={},
    )
    return replace(made, **changes)
