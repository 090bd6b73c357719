"""The coverage of all types of all services: each service's total against its gate.

Each service is combined by itself, with its own path map and exclusions, so that the same
relative path in two services stays two files. Only then are the reports put together, by paths
relative to the repository.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from noxlib import coverage_config
from noxlib.coverage_data import Measured, combined, data_files
from noxlib.coverage_lines import closing_lines, shown
from noxlib.errors import GateError
from noxlib.files import locked
from noxlib.model import Platform, Service
from noxlib.report import merge, writers
from noxlib.report.row import Row


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
class Report:
    """Whether every gate held, and the report as text."""

    passed: bool
    lines: list[str]


def coverage_report(order: ReportOrder) -> Report:
    """Combine, judge and write; the report's folder is replaced as a whole.

    Raises RecordError when it can't be written.
    """
    name, parent = order.folder.name, order.folder.parent
    with (
        locked(parent / f"{name}.lock"),
        tempfile.TemporaryDirectory(prefix=f".{name}.", dir=parent) as aside,
    ):
        fresh, old, parts_folder = (Path(aside) / each for each in ("fresh", "old", "parts"))
        fresh.mkdir()
        parts = [parts_folder / each for each in order.services]
        rows = [_row(order, part, fresh / "html" / part.name) for part in parts]
        merge.write_json([each / "coverage.json" for each in parts], rows, order.root, fresh)
        merge.write_xml([each / "coverage.xml" for each in parts], order.root, fresh)
        writers.write_summaries(rows, fresh)
        if order.folder.exists():
            order.folder.rename(old)
        fresh.rename(order.folder)
    passed = all(row.passed for row in rows)
    return Report(passed=passed, lines=[*writers.table(rows), *writers.findings(rows)])


def _row(order: ReportOrder, part: Path, html: Path) -> Row:
    """Judge one service, whose name `part` has: what is merged later goes there."""
    name = part.name
    service = order.platform.services[name]
    rcfile = part / "rcfile"
    coverage_config.write_rcfile(rcfile, service, order.root / service.path, part)
    runs = [each for each in order.runs if each.service == name]
    faults = [fault for each in runs if (fault := _fault(each))]
    types: dict[str, float | None] = {}
    for kind in dict.fromkeys(each.type for each in runs):
        own = [each for each in runs if each.type == kind]
        with _combined(rcfile, own) as measured:
            types[kind], found = _total(measured)
        faults += _named(own, found)
    closing: list[str] = []
    with _combined(rcfile, runs) as whole:
        total, _ = _total(whole)
        if total is not None:
            whole.write(html, part / "coverage.xml")
            details = whole.details()
            merge.keep_json(details, part / "coverage.json")
    if total is None:
        faults += _nothing(service, runs)
    elif total < service.coverage.fail_under:
        faults.append(f"{name}: {shown(total)} % is below its gate of {service.coverage.fail_under:g} %")
        closing = closing_lines(details, order.root, service.coverage.fail_under)
    return Row(
        service=name,
        types=types,
        combined=total,
        gate=service.coverage.fail_under,
        faults=tuple(faults),
        closing=tuple(closing),
    )


def _fault(each: RunData) -> str:
    remedy = f"run `nox -s {each.session}`"
    if each.folder is None:
        return f"{each.session}: never ran as a whole in this checkout: {remedy}"
    if each.stale:
        return f"{each.session}: {each.stale}: {remedy}"
    if not data_files(each.folder / "coverage"):
        return f"{each.session}: its run left no coverage data: {remedy}"
    return ""


def _nothing(service: Service, runs: Sequence[RunData]) -> list[str]:
    """Say that a gate has nothing to judge; a service without a source has none."""
    if runs:
        return [f"{service.name}: no coverage data at all"]
    gate = service.coverage.fail_under
    if service.source and gate:
        return [f"{service.name}: has a gate of {gate:g} %, but no measured type is enabled"]
    return []


def _combined(rcfile: Path, runs: Sequence[RunData]) -> AbstractContextManager[Measured]:
    folders = [each.folder for each in runs if each.folder is not None]
    return combined(rcfile, [path for folder in folders for path in data_files(folder / "coverage")])


def _total(measured: Measured) -> tuple[float | None, list[str]]:
    """Return the total, None when there is none, and why data doesn't count."""
    faults = list(measured.broken)
    if not measured.files:
        return None, faults
    try:
        return measured.total(), faults
    except GateError as error:
        return None, [*faults, error.message]


def _named(runs: Sequence[RunData], faults: Sequence[str]) -> list[str]:
    sessions = " and ".join(each.session for each in runs)
    return [
        f"{sessions}: {fault}: run `nox -s {' '.join(each.session for each in runs)}`" for fault in faults
    ]
