"""The coverage of all types of all services: each service's total against its gate.

Each service is combined by itself, with its own path map and exclusions, so that the same
relative path in two services stays two files; nothing is merged across services.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib import coverage_config
from noxlib.coverage_lines import closing_lines
from noxlib.model import Platform
from noxlib.report import writers

if TYPE_CHECKING:
    from coverage import Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """The newest run of a session, or None; `stale` says why it no longer counts."""

    session: str
    service: str
    type: str
    folder: Path | None
    stale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """Which runs to report about, and where to."""

    platform: Platform
    root: Path
    folder: Path
    services: tuple[str, ...]
    runs: tuple[RunData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One service's line of the report; None is "no data"."""

    service: str
    types: dict[str, float | None]
    combined: float | None
    gate: float
    faults: tuple[str, ...]
    closing: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Nothing is missing or stale, and the gate is reached."""
        return not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Whether every gate held, and the report as text."""

    passed: bool
    lines: list[str]


def coverage_report(order: ReportOrder) -> Report:
    """Combine, judge and write; the report's folder is replaced as a whole."""
    aside = order.folder.with_name(f"{order.folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        rows = [_row(order, name, aside) for name in order.services]
        writers.write_summaries(rows, aside)
        shutil.rmtree(order.folder, ignore_errors=True)
        aside.rename(order.folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    passed = all(row.passed for row in rows)
    return Report(passed=passed, lines=[*writers.table(rows), *writers.findings(rows)])


def _row(order: ReportOrder, name: str, aside: Path) -> Row:
    service = order.platform.services[name]
    runs = [each for each in order.runs if each.service == name]
    rcfile = aside / name / "rcfile"
    coverage_config.write_rcfile(rcfile, service, order.root / service.path, aside / name)
    faults = [fault for each in runs if (fault := _fault(each))]
    types: dict[str, float | None] = {}
    for kind in dict.fromkeys(each.type for each in runs):
        found, broken = _combined(rcfile, [each for each in runs if each.type == kind])
        types[kind] = None if found is None else _total(found)
        faults += broken
        faults += (
            [f"{kind}-{name}: its run left no coverage data"] if _silent(runs, kind, types[kind]) else []
        )
    whole, _ = _combined(rcfile, runs)
    combined = None if whole is None else _total(whole)
    gate = service.coverage.fail_under
    closing: list[str] = []
    if combined is None:
        faults += [f"{name}: no coverage data at all"] if runs else []
    elif whole is not None:
        writers.write_service(whole, aside / name)
        if combined < gate:
            faults.append(f"{name}: {combined:.2f} % is below its gate of {gate:g} %")
            closing = closing_lines(whole, order.root, gate)
    rcfile.unlink()
    return Row(
        service=name,
        types=types,
        combined=combined,
        gate=gate,
        faults=tuple(faults),
        closing=tuple(closing),
    )


def _fault(each: RunData) -> str:
    remedy = f"run `nox -s {each.session}`"
    if each.folder is None:
        return f"{each.session}: never ran in this checkout: {remedy}"
    return f"{each.session}: {each.stale}: {remedy}" if each.stale else ""


def _silent(runs: Iterable[RunData], kind: str, percent: float | None) -> bool:
    return percent is None and any(each.type == kind and each.folder is not None for each in runs)


def _combined(rcfile: Path, runs: Iterable[RunData]) -> tuple[Coverage | None, list[str]]:
    """Return the runs' data as one, in memory, and the files that couldn't be read."""
    from coverage import Coverage  # noqa: PLC0415  60 ms that only a report pays
    from coverage.exceptions import CoverageException  # noqa: PLC0415

    cov = Coverage(config_file=str(rcfile), data_file=None)
    broken: list[str] = []
    for each in runs:
        if each.folder is None:
            continue
        for path in sorted((each.folder / "coverage").glob(".coverage*")):
            try:
                cov.combine([str(path)], keep=True, strict=True)
            except CoverageException as error:
                broken.append(f"{each.session}: {path.name} can't be read: {error}")
    return (cov if cov.get_data().measured_files() else None), broken


def _total(cov: Coverage) -> float:
    return float(cov.report(file=io.StringIO(), ignore_errors=True))
