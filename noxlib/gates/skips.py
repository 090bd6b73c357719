"""skips: every skip and every expected failure is answered for by an approval that holds today."""

from __future__ import annotations

import datetime as dt
import json
import posixpath
from fnmatch import fnmatchcase

from noxlib.gates.case import Case, outcomes
from noxlib.gates.narrowing import narrowed
from noxlib.model import Approval, Finding, Outcome

KINDS = {"skipped": ("skip", "capability"), "xfailed": ("xfail",), "xpassed": ("xfail",)}
NAMED = 10  # tests that are named
PROPOSED_DAYS = 90


def applies(case: Case) -> bool:
    """Judge whatever left outcomes."""
    return outcomes(case) is not None


def judge(case: Case) -> Finding:
    """Return the skips that nobody answers for, with the block to paste."""
    judged = [each for each in outcomes(case) or () if each.outcome in KINDS]
    faults = [fault for each in judged if (fault := _fault(each, case))]
    idle = _idle(case)
    if not faults:
        summary = f"{len(judged)} approved" if judged else "none"
        return Finding(gate="skips", passed=True, summary=summary, details=idle)
    details = [line for fault in faults[:NAMED] for line in fault]
    if len(faults) > NAMED:
        details.append(f"... and {len(faults) - NAMED} more")
    tests = f"{len(faults)} test" + ("s" if len(faults) > 1 else "")
    return Finding(
        gate="skips",
        passed=False,
        summary=f"{tests} skipped, or failed as expected, without an approval that holds",
        details=(*details, *idle),
    )


def _idle(case: Case) -> tuple[str, ...]:
    """Return the approvals of this type's tests that no test goes by: renamed, or gone."""
    if narrowed(case):
        return ()  # it may have been left out
    folders = tuple(
        posixpath.normpath(posixpath.join(case.settings.cwd, each))
        for each in case.settings.paths or (f"tests/{case.plan.type}",)
    )
    tests = [each.test for each in outcomes(case) or ()]
    return tuple(
        f'the approval of "{each.test}" ({each.issue}, {each.owner}) matches no test: mend or remove it'
        for each in case.service.approvals
        if (case.plan.type in each.types or (not each.types and each.test.startswith(folders)))
        and not any(_names(each, test) for test in tests)
    )


def _fault(outcome: Outcome, case: Case) -> list[str]:
    matching = [each for each in case.service.approvals if _matches(each, outcome, case)]
    if any(dt.date.fromisoformat(each.expires) > case.today for each in matching):
        return []
    if matching:
        latest = max(matching, key=lambda each: each.expires)
        return [
            f"{outcome.outcome}: {outcome.test}",
            f"its approval ({latest.issue}, {latest.owner}) has been void since {latest.expires}",
            "mend the test, or renew the approval in services.toml",
        ]
    passes = outcome.outcome == "xpassed"
    return [
        f"{outcome.outcome}: {outcome.test}" + (f": {outcome.reason}" if outcome.reason else ""),
        f"{'it passes: remove its mark' if passes else 'mend the test'}, or add this to services.toml:",
        f"  [[services.{case.service.name}.approvals]]",
        f"  test = {_toml(outcome.test)}",
        f'  kind = "{KINDS[outcome.outcome][0]}"',
        '  issue = "#..."',
        f"  reason = {_toml(outcome.reason or '...')}",
        '  owner = "..."',
        f"  expires = {case.today + dt.timedelta(days=PROPOSED_DAYS)}",
    ]


def _toml(text: str) -> str:
    """Return a basic string of one line: JSON's, but for the one control character that JSON lets through."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False).replace("\x7f", "\\u007F")


def _matches(approval: Approval, outcome: Outcome, case: Case) -> bool:
    return (
        approval.kind in KINDS[outcome.outcome]
        and (not approval.types or case.plan.type in approval.types)
        and _names(approval, outcome.test)
    )


def _names(approval: Approval, test: str) -> bool:
    # Square brackets are a parameter's in a node id, not a set of characters.
    return fnmatchcase(test, approval.test.replace("[", "[[]"))
