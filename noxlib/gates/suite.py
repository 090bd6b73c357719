"""suite: no test failed, and the command's exit code agrees."""

from __future__ import annotations

from noxlib.gates.case import Case, read_json
from noxlib.gates.failures import failures
from noxlib.model import Finding


def applies(_case: Case) -> bool:
    """Judge every session."""
    return True


def judge(case: Case) -> Finding:
    """Return the tests that failed, or an exit code that isn't 0."""
    failed, code = failures(case), case.evidence.suite_exit
    left = tuple(f"left behind by the suite, ended: {each}" for each in _left(case))
    if code == 0 and not failed:
        return Finding(gate="suite", passed=True, summary="ended well", details=left)
    summary = "exit code 0, although tests failed" if code == 0 else f"exit code {code}"
    return Finding(gate="suite", passed=False, summary=summary, details=(*failed, *left, f"log: {case.log}"))


def _left(case: Case) -> list[str]:
    return read_json(case.folder / "left_behind.json") or []
