"""tests: a declared type ran at least one test, or put at least one request of load."""

from __future__ import annotations

from noxlib.gates.case import Case, outcomes, read_json
from noxlib.model import Finding


def applies(case: Case) -> bool:
    """Judge what ended by itself; an error or an interrupt has been said already."""
    return not case.evidence.error and not case.evidence.interrupted


def judge(case: Case) -> Finding:
    """Return how much ran; nothing is a failure, also when the command's exit code was 0."""
    ends = outcomes(case)
    if ends is None and case.plan.type == "stress" and (case.folder / "load.json").is_file():
        return _load(read_json(case.folder / "load.json") or {})
    if ends is None and case.settings.command and not case.evidence.suite_exit:
        return Finding(gate="tests", passed=True, summary="run by a command of its own, not by pytest")
    ran = [each for each in ends or () if each.outcome != "skipped"]
    if ran:
        return Finding(gate="tests", passed=True, summary=f"{len(ran)} ran")
    where = ", ".join(case.settings.paths or (f"tests/{case.plan.type}",))
    if ends:
        summary = f"all {len(ends)} tests in {where} were skipped, nothing ran"
        remedy = f"make one run, or set {case.place}.enabled = false until one can"
    else:
        summary = f"no test in {where}: a declared type must have one"
        remedy = f"write one, or set {case.place}.enabled = false"
    return Finding(gate="tests", passed=False, summary=summary, details=(remedy,))


def _load(load: dict[str, int]) -> Finding:
    for word in ("requests", "iterations"):
        if count := load.get(word, 0):
            return Finding(gate="tests", passed=True, summary=f"{count} {word}")
    return Finding(
        gate="tests",
        passed=False,
        summary="the load made no request and no iteration",
        details=("see that the locust file has tasks, and that users could start",),
    )
