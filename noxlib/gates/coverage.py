"""coverage: a measured type left data, and reaches the share that services.toml asks of it alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.coverage_data import combined, data_files
from noxlib.coverage_lines import closing_lines, shown
from noxlib.errors import GateError
from noxlib.gates.case import Case
from noxlib.model import Finding
from noxlib.plan import TYPES

if TYPE_CHECKING:
    from noxlib.coverage_data import Measured

MEASURE_TIME = ("stress", "performance")  # never under coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A run's data and its total; None where there is nothing to judge, and the fault then."""

    measured: Measured | None
    percent: float | None
    fault: str = ""


def applies(case: Case) -> bool:
    """Judge the measured types of services that name a source, and others that left data or have a gate."""
    if case.evidence.error or case.evidence.interrupted or not case.service.source:
        return False
    if case.plan.type in MEASURE_TIME:
        return False
    wanted = TYPES[case.plan.type].measured or case.settings.fail_under is not None
    return wanted or bool(data_files(case.folder / "coverage"))


def judge(case: Case) -> Finding:
    """Return the share, and on failure the lines that would close the gap."""
    found = _of(case)
    gate = case.settings.fail_under
    if case.posargs:
        share = "no data" if found.percent is None else f"{shown(found.percent)} %"
        return _finding(True, f"{share}; not judged: arguments after `--` may have narrowed the run")
    if found.measured is None or found.percent is None:
        return _finding(False, f"coverage data missing: {found.fault}", _remedy(case))
    if gate is None:
        return _finding(True, f"{shown(found.percent)} % (no gate for this type)")
    summary = f"{shown(found.percent)} %, the gate is {gate:g} %"
    if found.percent >= gate:
        return _finding(True, summary)
    lines = closing_lines(found.measured.details(), case.service_folder, gate)
    return _finding(False, summary, ("these lines would close the gap:", *(f"  {each}" for each in lines)))


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
    folder = case.folder / "coverage"
    files = data_files(folder)
    version = tuple((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in files)
    return _read(folder, version, ", ".join(case.service.source))


@lru_cache(maxsize=1)
def _read(folder: Path, version: tuple[tuple[str, int, int], ...], source: str) -> _Judged:
    """Combine and total; kept for the second question about the same, unchanged files."""
    if not version:
        return _Judged(measured=None, percent=None, fault=f"no process that runs {source} left any")
    measured = combined(folder / "rcfile", [folder / name for name, _, _ in version])
    if measured.broken:
        return _Judged(measured=None, percent=None, fault="; ".join(measured.broken))
    if not measured.ran:
        return _Judged(measured=None, percent=None, fault=f"not one line of {source} was run")
    try:
        return _Judged(measured=measured, percent=measured.total())
    except GateError as error:
        return _Judged(measured=None, percent=None, fault=f"{error.message}; {error.remedy}")
