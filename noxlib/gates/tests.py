"""tests: a declared type ran at least one test, or put at least one request of load."""

from __future__ import annotations

from noxlib.gates.case import Case, outcomes, read_json
from noxlib.model import Finding


def applies(case: Case) -> bool:
    """Judge what ended by itself; an error or an interrupt has been said already."""
    return not case.evidence.error and not case.evidence.interrupted


def judge(case: Case) -> Finding:
    """Return how much ran; nothing is a failure, also when the command's exit code was 0."""
    load = read_json(case.folder / "load.json") if case.plan.type == "stress" else None
    if load is not None:
        return _load(load)
    ends = outcomes(case)
    if ends is None and case.settings.command and not case.evidence.suite_exit:
        return Finding(gate="tests", passed=True, summary="run by a command of its own, not by pytest")
    ran = [each for each in ends or () if each.outcome != "skipped"]
    if ran:
        return Finding(gate="tests", passed=True, summary=f"{len(ran)} tests ran")
    where = ", ".join(case.settings.paths or (f"tests/{case.plan.type}",))
    return Finding(
        gate="tests",
        passed=False,
        summary=f"no test ran in {where}: a declared type must have one",
        details=(f"write one, or set {case.place}.enabled = false",),
    )


def _load(load: dict[str, int]) -> Finding:
    done = load["requests"] + load["iterations"]
    word = "requests" if load["requests"] else "iterations"
    if done:
        return Finding(gate="tests", passed=True, summary=f"{done} {word}")
    return Finding(
        gate="tests",
        passed=False,
        summary="the load made no request and no iteration",
        details=("see that the locust file has tasks, and that users could start",),
    )
