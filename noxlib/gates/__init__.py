"""Gates judge the evidence of a run: one module for each, one table, one verdict."""

from __future__ import annotations

from collections import Counter

from noxlib.gates import coverage, processes, skips, suite, tests, thresholds
from noxlib.gates.case import Case, outcomes
from noxlib.gates.coverage import measured_percent
from noxlib.model import Verdict

GATES = (suite, processes, tests, skips, coverage, thresholds)
COUNTED = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def judge(case: Case) -> Verdict:
    """Return the findings of all gates that apply; the run passed when each of them did."""
    findings = tuple(gate.judge(case) for gate in GATES if gate.applies(case))
    return Verdict(passed=all(each.passed for each in findings), findings=findings)


def counts(case: Case) -> dict[str, int]:
    """Return how many tests ended how."""
    found = Counter(each.outcome for each in outcomes(case) or ())
    return {name: found[name] for name in COUNTED if found[name]}


__all__ = ["Case", "counts", "judge", "measured_percent"]
