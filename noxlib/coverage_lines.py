"""The lines that would close a gap in coverage, the longest runs first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverage import Coverage

NAMED = 10


def closing_lines(cov: Coverage, folder: Path, gate: float) -> list[str]:
    """Name runs of missing lines, greedily, until covering them would reach `gate` percent.

    Counted in lines; with branches coverage.py's own total moves a little differently.
    """
    from coverage.exceptions import CoverageException  # noqa: PLC0415  lazy as its package

    runs: list[tuple[int, str]] = []
    statements = missing_total = 0
    for name in sorted(cov.get_data().measured_files()):
        try:
            _, lines, _, missing, _ = cov.analysis2(name)
        except CoverageException:
            continue
        statements += len(lines)
        missing_total += len(missing)
        place = Path(os.path.relpath(name, folder)).as_posix()
        for first, last, count in missing_runs(lines, missing):
            runs.append((count, f"{place}:{first}-{last}" if last > first else f"{place}:{first}"))
    found: list[str] = []
    needed = missing_total - statements * (100.0 - gate) / 100.0
    for count, where in sorted(runs, key=lambda run: (-run[0], run[1])):
        if needed <= 0 or len(found) == NAMED:
            break
        needed -= count
        words = "lines" if count > 1 else "line"
        found.append(f"{where} ({count} {words}, +{100.0 * count / statements:.1f} %)")
    return found


def missing_runs(statements: list[int], missing: list[int]) -> list[tuple[int, int, int]]:
    """Return (first, last, count) of each run of missing statements that no covered one interrupts."""
    gone = set(missing)
    runs: list[tuple[int, int, int]] = []
    current: list[int] = []
    for line in [*sorted(statements), 0]:
        if line in gone:
            current.append(line)
        elif current:
            runs.append((current[0], current[-1], len(current)))
            current = []
    return runs
