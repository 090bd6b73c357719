"""coverage: a measured type left data, and reaches the share that services.toml asks of it alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from noxlib.coverage_data import combined, data_files
from noxlib.coverage_lines import closing_lines, shown
from noxlib.errors import GateError
from noxlib.gates.case import Case
from noxlib.gates.failures import failures
from noxlib.gates.narrowing import narrowed
from noxlib.model import Finding
from noxlib.plan import TYPES

MEASURE_TIME = ("stress", "performance")  # never under coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A run's total; None where there is nothing to judge, and the fault then."""

    percent: float | None = None
    fault: str = ""
    closing: tuple[str, ...] = ()  # the lines that would close the gap


def applies(case: Case) -> bool:
    """Judge the measured types of services that name a source, and others that left data or have a gate."""
    if not case.service.source or case.plan.type in MEASURE_TIME:
        return False
    wanted = TYPES[case.plan.type].measured or case.settings.fail_under is not None
    return wanted or bool(data_files(case.folder / "coverage"))


def judge(case: Case) -> Finding:
    """Return the share, and on failure the lines that would close the gap."""
    found = _of(case)
    gate = case.settings.fail_under
    if narrowed(case):
        share = "no data" if found.percent is None else f"{shown(found.percent)} %"
        warning = "its gate wasn't judged: arguments behind `--` may have narrowed the run"
        return _finding(True, f"{share}; not judged", (warning,) if gate else ())
    if found.percent is None and failures(case):
        return _finding(True, "no data; not judged: tests failed, and may not have come to the code")
    if found.percent is None:
        return _finding(False, f"coverage data missing: {found.fault}", _remedy(case))
    if gate is None:
        return _finding(True, f"{shown(found.percent)} % (no gate for this type)")
    summary = f"{shown(found.percent)} %, the gate is {gate:g} %"
    if found.percent >= gate:
        return _finding(True, summary)
    lines = (f"  {each}" for each in found.closing)
    return _finding(False, summary, ("these lines would close the gap:", *lines))


def measured_percent(case: Case) -> float | None:
    """Return coverage.py's total for this run; None when it isn't measured or has no data."""
    return _of(case).percent if applies(case) else None


def _finding(passed: bool, summary: str, details: tuple[str, ...] = ()) -> Finding:
    return Finding(gate="coverage", passed=passed, summary=summary, details=details)


def _remedy(case: Case) -> tuple[str, ...]:
    return (
        f"see that services.{case.service.name}.source names the code that the tests run,",
        "and that the processes of the suite end by themselves or by SIGTERM",
        f"data: {case.folder / 'coverage'}",
    )


def _of(case: Case) -> _Judged:
    files = data_files(case.folder / "coverage")
    version = tuple((each, each.stat().st_mtime_ns, each.stat().st_size) for each in files)
    gate = 0.0 if narrowed(case) else case.settings.fail_under or 0.0
    return _read(version, case.service_folder, ", ".join(case.service.source), gate)


@lru_cache(maxsize=1)
def _read(version: tuple[tuple[Path, int, int], ...], service: Path, source: str, gate: float) -> _Judged:
    """Combine and total; kept for the second question about the same, unchanged files."""
    if not version:
        return _Judged(fault=f"no process that runs {source} left any")
    files = [path for path, _, _ in version]
    with combined(files[0].with_name("rcfile"), files) as measured:
        if measured.broken:
            return _Judged(fault="; ".join(measured.broken))
        if not measured.ran:
            return _Judged(fault=f"not one line of {source} was run")
        try:
            percent = measured.total()
        except GateError as error:
            return _Judged(fault=f"{error.message}; {error.remedy}")
        if percent >= gate:
            return _Judged(percent=percent)
        return _Judged(percent=percent, closing=tuple(closing_lines(measured.details(), service, gate)))
