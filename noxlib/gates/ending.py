"""ending: the suite came to its own end and ran tests; what kept it from that is the only thing to say.

A run that was cut short, or that never began, gives the other gates nothing to judge: what they would
say (no test, no coverage data) are the consequences of one cause.
"""

from __future__ import annotations

from dataclasses import replace

from noxlib import errors
from noxlib.gates import printed
from noxlib.gates.case import Case, finished, outcomes, progress, running
from noxlib.gates.failures import failures
from noxlib.gates.refusal import exited, finding, refusal
from noxlib.model import Finding

ENDED = (0, 1)  # pytest's exit codes: all passed, some failed


def obstacle(case: Case) -> Finding | None:
    """Return what kept the suite from its end, None when it came there."""
    evidence = case.evidence
    if evidence.error:
        first, *rest = evidence.error.splitlines()
        kind = getattr(errors, evidence.error_class, errors.NoxlibError)
        return Finding(gate=kind.title, passed=False, summary=first, details=tuple(rest))
    if evidence.interrupted:
        return _interrupted(case)
    if evidence.suite_exit is None:
        return finding(case, "the suite never started")
    return _stopped(case, evidence.suite_exit)


def _stopped(case: Case, code: int) -> Finding | None:
    """Say why the command ended before its time, by what pytest has left."""
    if not case.pytest and not outcomes(case):
        return (
            None if code == 0 else replace(finding(case, exited(code), *printed.tail(case)), gate="command")
        )
    if progress(case) is not None and not finished(case):
        return _cut_short(case, code)
    if code in ENDED and outcomes(case):
        return None
    return refusal(case, code)


# --- out of time, or told to stop -----------------------------------------------------------


def _interrupted(case: Case) -> Finding:
    summary = case.evidence.interrupted
    if not summary.startswith("timeout"):
        return finding(case, summary)
    if case.evidence.suite_exit is None:
        return finding(case, summary, f"raise {case.place}.timeout, or mend what hangs")
    ended = outcomes(case)
    if finished(case):
        said = [f"all {len(ended or ())} tests had ended: a thread or a process keeps pytest from ending"]
    elif ended is not None:
        said = _running(case) or ["no test was running"]
    else:
        said = []
    stands = printed.standing(case)
    stacks = f"stacks: {case.folder / 'logs'}" if stands else ""
    remedy = f"mend what hangs, or raise {case.place}.timeout"
    return finding(
        case,
        summary,
        *said,
        *(f"it stands at {place}" for place in stands),
        remedy,
        *failures(case),
        *filter(None, [stacks]),
    )


def _running(case: Case) -> list[str]:
    return [f"{'running' if '::' in name else 'importing'}: {name}" for name in running(case)]


def _cut_short(case: Case, code: int) -> Finding:
    """Say what ran when the process was gone: os.exited(), a crash in C, no memory."""
    summary = f"the suite ended before pytest finished ({exited(code)})"
    return finding(case, summary, *_running(case), *([] if running(case) else printed.tail(case)))
