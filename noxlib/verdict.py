"""A record's verdict as the lines that a person reads."""

from __future__ import annotations

from noxlib import errors
from noxlib.coverage_lines import shown
from noxlib.model import Finding, Record

NOUNS = {"error": "errors"}  # the one word for how a test ended that has a plural


def summary(record: Record) -> list[str]:
    """Return a headline, and the findings that failed or warn."""
    evidence = record.evidence
    word = "passed" if record.verdict.passed else "failed"
    facts = [
        _tests(record),
        *([f"coverage {shown(record.coverage)} %"] if record.coverage is not None else []),
        f"{record.seconds:.1f} s",
        f"{evidence.box} box" + (", open network" if evidence.network == "open" else ""),
        *evidence.servers,
    ]
    lines = [f"{record.plan.name}: {word}: {'; '.join(facts)}"]
    for finding in record.verdict.findings:
        lines += _lines(finding)
    return lines


def _tests(record: Record) -> str:
    """Return how many tests ended how, or what stands for that where none did."""
    evidence = record.evidence
    if evidence.error:
        kind = getattr(errors, evidence.error_class, errors.NoxlibError)
        when = ", before the suite began" if evidence.suite_exit is None else ""
        return f"{kind.__name__}, exit code {kind.exit_code}{when}"
    if record.counts:
        counted = record.counts.items()
        return ", ".join(f"{count} {NOUNS.get(name, name) if count > 1 else name}" for name, count in counted)
    # Of a load, and of a command of its own, nothing else is known.
    known = {("tests", True), ("command", False)}
    ran = (each.summary for each in record.verdict.findings if (each.gate, each.passed) in known)
    return next(ran, "no test ran to its end")


def _lines(finding: Finding) -> list[str]:
    if finding.passed:
        return [f"  warning: {each}" for each in finding.details]
    return [f"  {finding.gate}: {finding.summary}", *(f"    {each}" for each in finding.details)]
