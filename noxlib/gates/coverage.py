"""coverage: a measured type left data, and reaches the share that services.toml asks of it alone."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.coverage_lines import closing_lines
from noxlib.gates.case import Case
from noxlib.model import Finding
from noxlib.plan import TYPES

if TYPE_CHECKING:
    from coverage import Coverage


def applies(case: Case) -> bool:
    """Judge the measured types of services that name a source."""
    undisturbed = not case.evidence.error and not case.evidence.interrupted
    return undisturbed and TYPES[case.plan.type].measured and bool(case.service.source)


def judge(case: Case) -> Finding:
    """Return the share, and on failure the lines that would close the gap."""
    percent = measured_percent(case)
    if percent is None:
        return Finding(
            gate="coverage",
            passed=False,
            summary=f"no coverage data of {', '.join(case.service.source)} was collected",
            details=("see that `source` names the code that the tests import",),
        )
    gate = case.settings.fail_under
    if gate is None:
        return Finding(gate="coverage", passed=True, summary=f"{percent:.2f} % (no gate for this type)")
    summary = f"{percent:.2f} %, the gate is {gate:g} %"
    if case.posargs:
        return Finding(
            gate="coverage", passed=True, summary=f"{summary}; not judged: arguments narrowed the run"
        )
    if percent >= gate:
        return Finding(gate="coverage", passed=True, summary=summary)
    cov = _loaded(case.folder)
    assert cov is not None  # noqa: S101  there is a percentage
    details = closing_lines(cov, case.service_folder, gate)
    return Finding(gate="coverage", passed=False, summary=summary, details=tuple(details))


def measured_percent(case: Case) -> float | None:
    """Return coverage.py's total for this run; None when it isn't measured or has no data."""
    return _percent(case.folder) if applies(case) else None


@cache
def _percent(folder: Path) -> float | None:
    cov = _loaded(folder)
    if cov is None:
        return None
    from coverage.exceptions import NoDataError  # noqa: PLC0415  lazy as its package

    try:
        return float(cov.report(file=io.StringIO(), ignore_errors=True))
    except NoDataError:
        return None


@cache
def _loaded(folder: Path) -> Coverage | None:
    """Combine the data files of a run's processes, in memory; the files stay as evidence."""
    from coverage import Coverage  # noqa: PLC0415  60 ms that only measured sessions pay
    from coverage.exceptions import CoverageException  # noqa: PLC0415

    data = folder / "coverage"
    files = [str(each) for each in data.glob(".coverage*") if each.stat().st_size]
    if not files:
        return None
    cov = Coverage(config_file=str(data / "rcfile"), data_file=None)
    try:
        cov.combine(files, keep=True)
    except CoverageException:
        return None
    return cov if cov.get_data().measured_files() else None
