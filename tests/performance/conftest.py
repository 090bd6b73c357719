"""Pairs: noxlib and a peer in turn, in one run; the ratio is what counts on a noisy machine."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FIGURES = Path(__file__).parents[2] / "docs/reference/figures.md"
HEAD = """# Figures

Measured by `NOXLIB_WRITE_FIGURES=1 nox -s performance-noxlib` on {day}: {cores} cores, Linux {kernel},
Python {python}. Medians over interleaved pairs; each ratio is the median of the pairs' ratios.
The machine is shared: trust the ratios, measure again before quoting.

| what | noxlib | peer | ratio | must reach | pairs |
|---|---|---|---|---|---|
"""


WRITE = bool(os.environ.get("NOXLIB_WRITE_FIGURES"))


def few(rounds: int) -> int:
    """Return how often to measure: CI, which commits no figures, looks whether it works."""
    return rounds if WRITE else max(1, rounds // 5)


@dataclass(slots=True)
class Table:
    """The rows of one run."""

    rows: list[str] = field(default_factory=list)

    def pair(
        self,
        what: str,
        ours: Callable[[], float],
        peer: Callable[[], float],
        *,
        rounds: int,
        target: str,
        faster: bool = False,
    ) -> tuple[float, float, float]:
        """Measure seconds in turn; the ratio is ours to the peer's, or, `faster`, the peer's to ours."""
        pairs = [(ours(), peer()) for _ in range(few(rounds))]
        return self.row(what, pairs, target=target, faster=faster)

    def row(
        self,
        what: str,
        pairs: Sequence[tuple[float, float]],
        *,
        target: str,
        faster: bool = False,
        unit: str = "ms",
    ) -> tuple[float, float, float]:
        """Add pairs that were measured; return both medians and the pairs' median ratio."""
        mine = statistics.median(one for one, _ in pairs)
        other = statistics.median(two for _, two in pairs)
        ratio = statistics.median(two / one if faster else one / two for one, two in pairs)
        shown = " | ".join(_shown(value, unit) for value in (mine, other))
        row = f"| {what} | {shown} | {ratio:.2f} | {target} | {len(pairs)} |"
        print(f"\n{row}")
        self.rows.append(row)
        return mine, other, ratio

    def note(self, what: str, figure: str, target: str) -> None:
        """Add a figure that has no peer."""
        row = f"| {what} | {figure} | | | {target} | 1 |"
        print(f"\n{row}")
        self.rows.append(row)


def _shown(value: float, unit: str) -> str:
    value = value * 1000 if unit == "ms" else value
    return f"{value:.{0 if value >= 100 else 1}f} {unit}"


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    made = Table()
    yield made
    if WRITE and made.rows:
        head = HEAD.format(
            day=dt.datetime.now(dt.timezone.utc).date(),
            cores=os.cpu_count(),
            kernel=platform.release().split("-")[0],
            python=platform.python_version(),
        )
        FIGURES.write_text(head + "\n".join(sorted(made.rows)) + "\n", encoding="utf-8")
