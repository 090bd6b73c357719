"""Percentages as they are shown, and the lines that would close a gap, the longest runs first."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMED = 10
TINY = 1e-6  # sums and products of fractions aren't exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Missing lines that follow one another, or a covered line whose branches weren't all taken."""

    place: str  # src/cs1/api.py:40-52
    lines: int
    branches: int

    @property
    def weight(self) -> int:
        """What it counts for in coverage.py's total."""
        return self.lines + self.branches

    def text(self, total: int) -> str:
        """Return the place, its size and what it is worth of `total` lines and branches."""
        word, count = ("line", self.lines) if self.lines else ("branch", self.branches)
        plural = {"line": "lines", "branch": "branches"}[word] if count > 1 else word
        return f"{self.place} ({count} {plural}, +{100.0 * self.weight / total:.1f} %)"


def shown(percent: float) -> str:
    """Return a percentage cut to two decimals: what is below a gate is never shown as having reached it."""
    return f"{math.floor(percent * 100 + TINY) / 100:.2f}"


def closing_lines(details: Mapping[str, Any], folder: Path, gate: float) -> list[str]:
    """Name gaps of coverage.py's JSON report, greedily, until closing them would reach `gate` percent.

    Paths are relative to `folder`.
    """
    totals = details["totals"]
    total = totals["num_statements"] + totals.get("num_branches", 0)
    needed = gate * total / 100.0 - totals["covered_lines"] - totals.get("covered_branches", 0)
    gaps = [
        gap
        for name, file in details["files"].items()
        for gap in gaps_of(Path(os.path.relpath(name, folder)).as_posix(), file)
    ]
    chosen: list[Gap] = []
    for gap in sorted(gaps, key=lambda each: (-each.weight, each.place)):
        if needed <= TINY:
            break
        needed -= gap.weight
        chosen.append(gap)
    more = [f"... and {len(chosen) - NAMED} more places"] if len(chosen) > NAMED else []
    return [*(gap.text(total) for gap in chosen[:NAMED]), *more]


def gaps_of(place: str, file: Mapping[str, Any]) -> list[Gap]:
    """Return the gaps of one file of the JSON report; a branch belongs to the missing lines it touches."""
    missing = file["missing_lines"]
    runs = missing_runs([*file["executed_lines"], *missing], missing)
    run_of = {line: index for index, run in enumerate(runs) for line in run}
    branches = [0] * len(runs)
    partial: dict[int, int] = {}
    for start, end in file.get("missing_branches", ()):
        index = run_of.get(start, run_of.get(end))
        if index is None:
            partial[start] = partial.get(start, 0) + 1
        else:
            branches[index] += 1
    found = [
        Gap(place=f"{place}:{_span(run)}", lines=len(run), branches=count)
        for run, count in zip(runs, branches, strict=True)
    ]
    return [*found, *(Gap(place=f"{place}:{line}", lines=0, branches=n) for line, n in partial.items())]


def missing_runs(statements: Iterable[int], missing: Iterable[int]) -> list[list[int]]:
    """Return the runs of missing statements that no covered one interrupts."""
    gone = set(missing)
    runs: list[list[int]] = []
    inside = False
    for line in sorted(statements):
        if line in gone:
            if not inside:
                runs.append([])
            runs[-1].append(line)
        inside = line in gone
    return runs


def _span(run: list[int]) -> str:
    return f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0])
