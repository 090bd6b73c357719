"""outcomes.json: how every test ended, written once, whole, by the process that reports.

Until then progress.jsonl says it: a suite that is cut short has no end at which to write.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from noxlib.model import Outcome, SessionFile, to_json
from noxlib.pytest_plugin.databases import KEPT
from noxlib.pytest_plugin.progress import Progress, relative
from noxlib.pytest_plugin.session import redacted

REASON_CHARACTERS = 500
NOT_CALLED = "its fixtures were set up, and it was never called: --setup-only, --setup-plan"

# Of the reports about one test the worst counts. A test that failed and then could not be torn
# down has failed.
_RANKS = ("passed", "skipped", "xfailed", "xpassed", "error", "failed")


@dataclass(slots=True)
class _Seen:
    outcome: str = "passed"
    seconds: float = 0.0
    reason: str = ""
    called: bool = False  # its own code was run, not its fixtures alone
    opens: list[str] = field(default_factory=list)


class Outcomes:
    """Listen to the reports and write outcomes.json when the session ends."""

    def __init__(self, found: SessionFile, rootpath: Path) -> None:
        """Take the session, and the folder that node ids are relative to."""
        self._session = found
        self._rootpath = rootpath
        self._seen: dict[str, _Seen] = {}
        self._progress = Progress(Path(found.run_folder))

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Note the import of a test file: it may never end."""
        if isinstance(collector, pytest.Module):
            self._progress.begun(self._relative(collector.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that could not be imported, or skipped itself."""
        self._progress.ended(self._relative(report.nodeid))
        if not report.passed:
            outcome = "error" if report.failed else "skipped"
            self._note(report.nodeid, outcome, 0.0, _reason(report))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note a test that begins, also on one of xdist's workers."""
        self._progress.begun(self._relative(nodeid))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note how it ended."""
        seen = self._seen.get(nodeid)
        self._progress.ended(self._relative(nodeid), to_json(self._outcome(nodeid, seen)) if seen else None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test, or one subtest."""
        outcome, reason = _judge(report)
        name = report.nodeid
        if context := getattr(report, "context", None):
            # A failed subtest fails its test. A skipped one is a skip that somebody must approve:
            # it gets a line of its own, since its test goes on and passes.
            if outcome == "passed":
                return
            if outcome != "failed":
                name = f"{name} ({_subtest(context)})"
            self._note(name, outcome, 0.0, reason)
            return
        self._note(name, outcome, report.duration, reason)
        self._seen[name].called |= report.when == "call"
        self._seen[name].opens += [text for head, text in report.sections if head == KEPT]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Write the file first: what else happens at the end may hang, such as xdist's wait for workers."""
        outcomes = [self._outcome(name, seen) for name, seen in self._seen.items()]
        path = Path(self._session.run_folder) / "outcomes.json"
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_text(json.dumps(to_json(outcomes), indent=1) + "\n", encoding="utf-8")
        aside.replace(path)

    def pytest_unconfigure(self) -> None:
        """Close what was opened."""
        self._progress.close()

    def _outcome(self, name: str, seen: _Seen) -> Outcome:
        ran = seen.called or seen.outcome != "passed"
        return Outcome(
            test=self._relative(name),
            outcome=seen.outcome if ran else "error",
            seconds=round(seen.seconds, 6),
            reason=redacted(self._session, seen.reason) if ran else NOT_CALLED,
            opens=tuple(seen.opens),
        )

    def _note(self, name: str, outcome: str, seconds: float, reason: str) -> None:
        seen = self._seen.setdefault(name, _Seen())
        seen.seconds += seconds
        if _RANKS.index(outcome) > _RANKS.index(seen.outcome):
            seen.outcome, seen.reason = outcome, reason

    def _relative(self, name: str) -> str:
        return relative(name, self._rootpath, Path(self._session.service_folder))


def _judge(report: pytest.TestReport) -> tuple[str, str]:
    expected = getattr(report, "wasxfail", None)
    if expected is not None and not report.failed:
        return ("xfailed" if report.skipped else "xpassed"), expected.removeprefix("reason: ")
    if report.passed:
        return "passed", ""
    if report.skipped:
        return "skipped", _reason(report)
    if str(report.outcome) == "rerun":  # of pytest-rerunfailures: never retried into green
        return "failed", "failed, and was run again"
    return ("failed" if report.when == "call" else "error"), _reason(report)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    detail: Any = report.longrepr
    if isinstance(detail, (tuple, list)):  # of a skip: path, line, reason
        return str(detail[-1]).removeprefix("Skipped: ")[:REASON_CHARACTERS]
    crash = getattr(detail, "reprcrash", None)
    text = crash.message if crash else str(detail or "")
    lines = [line for line in text.strip().splitlines() if line.strip()]
    # A failed import and a missing fixture have no crash, only text, and say what happened in the last
    # line that pytest marks with an E.
    said = [line for line in lines if line.startswith("E ")] or lines
    chosen = (lines[:1] if crash else said[-1:]) or [""]
    return chosen[0].removeprefix("E ").strip()[:REASON_CHARACTERS]


def _subtest(context: Any) -> str:
    parts = [context.msg] if context.msg else []
    parts += [f"{key}={value}" for key, value in context.kwargs.items()]
    return ", ".join(parts) or "subtest"
