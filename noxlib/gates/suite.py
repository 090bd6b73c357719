"""suite: the command ended well, in time, undisturbed."""

from __future__ import annotations

import signal

from noxlib.gates.case import Case, outcomes
from noxlib.model import Finding, Outcome

NAMED = 10  # failing tests that are named
PYTEST_CODES = {
    2: "pytest was interrupted, or could not import a test file",
    3: "pytest had an internal error",
    4: "pytest was called with arguments that it doesn't know",
    5: "pytest collected no test",
}


def applies(_case: Case) -> bool:
    """Judge every session."""
    return True


def judge(case: Case) -> Finding:
    """Return why the suite counts as failed: an error before it, an interrupt, its exit code."""
    evidence = case.evidence
    log = f"log: {case.folder / 'logs' / 'suite.log'}"
    if evidence.error:
        first, *rest = evidence.error.splitlines()
        return Finding(gate="suite", passed=False, summary=first, details=tuple(rest))
    if evidence.interrupted:
        remedy = (f"raise {case.place}.timeout, or see where it hangs", log)
        details = remedy if evidence.interrupted.startswith("timeout") else (log,)
        return Finding(gate="suite", passed=False, summary=evidence.interrupted, details=details)
    failed = _failed(case)
    if evidence.suite_exit == 0 and not failed:
        return Finding(gate="suite", passed=True, summary="ended well")
    summary = "exit code 0, although tests failed" if evidence.suite_exit == 0 else _exit(evidence.suite_exit)
    return Finding(gate="suite", passed=False, summary=summary, details=(*failed, log))


def _exit(code: int | None) -> str:
    if code is None:
        return "the suite never started"
    if code < 0:
        return f"ended by signal {_signal(-code)}"
    return f"exit code {code}" + (f": {PYTEST_CODES[code]}" if code in PYTEST_CODES else "")


def _failed(case: Case) -> tuple[str, ...]:
    failed = [each for each in outcomes(case) or () if each.outcome in {"failed", "error"}]
    more = (f"... and {len(failed) - NAMED} more",) if len(failed) > NAMED else ()
    return tuple(_line(each) for each in failed[:NAMED]) + more


def _line(outcome: Outcome) -> str:
    return f"{outcome.outcome}: {outcome.test}" + (f": {outcome.reason}" if outcome.reason else "")


def _signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name}"
    except ValueError:
        return str(number)
