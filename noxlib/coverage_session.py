"""The coverage report of a platform: the newest run of each session, gathered for report/."""

from __future__ import annotations

from pathlib import Path

from noxlib import config, plan, run
from noxlib.errors import UsageError
from noxlib.model import Platform, SessionPlan
from noxlib.records import State, read_record
from noxlib.report import ReportOrder, RunData, coverage_report
from noxlib.suites.suite import is_measured


def report_lines(services: Path, names: tuple[str, ...]) -> tuple[bool, list[str]]:
    """Return whether every gate held, and the report as text; `names` limits it to some services."""
    state = State.find(services.parent)
    platform = config.load(services, state.cache)
    chosen = _chosen(platform, names)
    runs = [
        _run_data(each, platform, state, services.parent)
        for each in plan.sessions(platform)
        if each.service in chosen and is_measured(platform.services[each.service], each.type)
    ]
    report = coverage_report(
        ReportOrder(
            platform=platform,
            root=services.parent,
            folder=state.folder / "report" / "coverage",
            services=chosen,
            runs=tuple(runs),
        )
    )
    return report.passed, report.lines


def _chosen(platform: Platform, names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in platform.services]
    if unknown:
        raise UsageError(
            f"coverage-report: no service named {', '.join(unknown)}",
            remedy=f"one of: {', '.join(platform.services)}",
        )
    return names or tuple(platform.services)


def _run_data(each: SessionPlan, platform: Platform, state: State, root: Path) -> RunData:
    folder = state.latest_whole(each.name)
    if folder is None:
        return RunData(session=each.name, service=each.service, type=each.type, folder=None, stale="")
    record = read_record(folder)
    service = platform.services[each.service]
    now = run.fingerprint(platform, service, root, record.python)
    stale = "" if now == record.fingerprint else "its inputs have changed since it ran"
    stale = stale or ("" if record.verdict.passed else "its newest run failed")
    return RunData(session=each.name, service=each.service, type=each.type, folder=folder, stale=stale)
