"""Gates judge the evidence of a run: one module for each, one table, one verdict."""

from __future__ import annotations

from collections import Counter

from noxlib.gates import coverage, processes, skips, suite, tests, thresholds
from noxlib.gates.case import Case, deselected, outcomes
from noxlib.gates.ending import obstacle
from noxlib.gates.narrowing import narrowed
from noxlib.model import Verdict

GATES = (suite, processes, tests, skips, coverage, thresholds)
COUNTED = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "deselected")


def judge(case: Case) -> Verdict:
    """Return the findings of all gates that apply; the run passed when each of them did.

    What kept the suite from its end is said alone, but for a process that died and may be the reason.
    """
    found = obstacle(case)
    if found:
        died = (processes.judge(case),) if processes.applies(case) else ()
        return Verdict(passed=False, findings=(found, *died))
    findings = tuple(gate.judge(case) for gate in GATES if gate.applies(case))
    return Verdict(passed=all(each.passed for each in findings), findings=findings)


def counts(case: Case) -> dict[str, int]:
    """Return how many tests ended how."""
    found = Counter(each.outcome for each in outcomes(case) or ())
    found["deselected"] = deselected(case)[0]
    return {name: found[name] for name in COUNTED if found[name]}


def measured_percent(case: Case) -> float | None:
    """Return coverage.py's total for this run; None when it isn't measured, has no data or no end."""
    return None if obstacle(case) else coverage.measured_percent(case)


__all__ = ["Case", "counts", "judge", "measured_percent", "narrowed"]
