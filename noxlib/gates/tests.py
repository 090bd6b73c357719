"""tests: a declared type ran at least one test, or put at least one request of load."""

from __future__ import annotations

from noxlib.gates.case import Case, deselected, outcomes, progress, read_json
from noxlib.gates.narrowing import narrowed
from noxlib.model import Finding

HARNESSES = {"race": "noxlib_race", "chaos": "noxlib_chaos"}


def applies(_case: Case) -> bool:
    """Judge every suite that came to its end."""
    return True


def judge(case: Case) -> Finding:
    """Return how much ran; nothing is a failure, also when the command's exit code was 0."""
    ends = outcomes(case)
    if ends is None and case.plan.type == "stress" and (case.folder / "load.json").is_file():
        return _load(read_json(case.folder / "load.json") or {})
    if not ends:
        return Finding(gate="tests", passed=True, summary="run by a command of its own, not by pytest")
    ran = [each for each in ends if each.outcome != "skipped"]
    if ran:
        return Finding(
            gate="tests", passed=True, summary=f"{len(ran)} ran", details=(*_left_out(case), *_idle(case))
        )
    where = ", ".join(case.settings.paths or (f"tests/{case.plan.type}",))
    all_of_them = "the only test" if len(ends) == 1 else f"all {len(ends)} tests"
    skipped = "was skipped" if len(ends) == 1 else "were skipped"
    return Finding(
        gate="tests",
        passed=False,
        summary=f"{all_of_them} in {where} {skipped}, nothing ran",
        details=(f"make one run, or set {case.place}.enabled = false until one can",),
    )


def _left_out(case: Case) -> tuple[str, ...]:
    """Say which tests the project's own configuration keeps from running: nobody answers for them."""
    count, first = deselected(case)
    if not count or narrowed(case):
        return ()
    names = ", ".join(first) + (", ..." if count > len(first) else "")
    tests = "1 test was" if count == 1 else f"{count} tests were"
    return (f"{tests} deselected by pytest's configuration and didn't run: {names}",)


def _idle(case: Case) -> tuple[str, ...]:
    """Say when no test uses the harness that its type is there for."""
    harness = HARNESSES.get(case.plan.type)
    if not harness or not case.pytest or any("harness" in line for line in progress(case) or ()):
        return ()
    return (f"no test uses {harness}: {case.plan.type} tests without it find little",)


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
