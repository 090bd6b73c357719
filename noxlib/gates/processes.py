"""processes: what was started for the suite was still there at its end."""

from __future__ import annotations

from noxlib.gates.case import Case
from noxlib.model import Finding


def applies(case: Case) -> bool:
    """Judge sessions in which a service process ended that nobody had told to."""
    return bool(case.evidence.deaths)


def judge(case: Case) -> Finding:
    """Fail, with each process' exit code, last lines and log: it isn't restarted behind the suite's back."""
    first, *details = [line for death in case.evidence.deaths for line in death.splitlines()]
    return Finding(gate="processes", passed=False, summary=first, details=tuple(details))
