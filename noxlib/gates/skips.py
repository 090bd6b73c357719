"""skips: every skip and every expected failure is answered for by an approval that holds today."""

from __future__ import annotations

import datetime as dt
from fnmatch import fnmatchcase

from noxlib.gates.case import Case, outcomes
from noxlib.model import Approval, Finding, Outcome

KINDS = {"skipped": ("skip", "capability"), "xfailed": ("xfail",), "xpassed": ("xfail",)}


def applies(case: Case) -> bool:
    """Judge whatever left outcomes."""
    return outcomes(case) is not None


def judge(case: Case) -> Finding:
    """Return the skips that nobody answers for, with the block to paste."""
    details: list[str] = []
    approved = 0
    for outcome in outcomes(case) or ():
        if outcome.outcome in KINDS:
            fault = _fault(outcome, case)
            approved += not fault
            details += fault
    if details:
        return Finding(
            gate="skips",
            passed=False,
            summary="a test was skipped, or failed as expected, without an approval",
            details=tuple(details),
        )
    return Finding(gate="skips", passed=True, summary=f"{approved} approved" if approved else "none")


def _fault(outcome: Outcome, case: Case) -> list[str]:
    matching = [each for each in case.service.approvals if _matches(each, outcome, case)]
    if any(dt.date.fromisoformat(each.expires) > case.today for each in matching):
        return []
    if matching:
        latest = max(matching, key=lambda each: each.expires)
        return [
            f"{outcome.outcome}: {outcome.test}",
            f"its approval ({latest.issue}, {latest.owner}) expired on {latest.expires}",
            "mend the test, or renew the approval in services.toml",
        ]
    return [
        f"{outcome.outcome}: {outcome.test}: {outcome.reason}",
        "mend the test, or add this to services.toml:",
        f"  [[services.{case.service.name}.approvals]]",
        f'  test = "{outcome.test}"',
        f'  kind = "{KINDS[outcome.outcome][0]}"',
        '  issue = "#..."',
        f"  reason = {outcome.reason!r}",
        '  owner = "..."',
        f"  expires = {case.today + dt.timedelta(days=90)}",
    ]


def _matches(approval: Approval, outcome: Outcome, case: Case) -> bool:
    return (
        approval.kind in KINDS[outcome.outcome]
        and (not approval.types or case.plan.type in approval.types)
        # Square brackets are a parameter's in a node id, not a set of characters.
        and fnmatchcase(outcome.test, approval.test.replace("[", "[[]"))
    )
