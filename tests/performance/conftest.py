"""Pairs: noxlib and a peer in turn, in one run; the ratio is what counts on a noisy machine."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
from collections.abc import Callable, Iterator
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
        """Measure in turn; the ratio is ours to the peer's, or, `faster`, the peer's to ours."""
        pairs = [(ours(), peer()) for _ in range(rounds)]
        mine = statistics.median(one for one, _ in pairs)
        other = statistics.median(two for _, two in pairs)
        ratio = statistics.median(two / one if faster else one / two for one, two in pairs)
        row = f"| {what} | {mine * 1000:.0f} ms | {other * 1000:.0f} ms | {ratio:.2f} | {target} | {rounds} |"
        print(f"\n{row}")
        self.rows.append(row)
        return mine, other, ratio


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    made = Table()
    yield made
    if os.environ.get("NOXLIB_WRITE_FIGURES") and made.rows:
        head = HEAD.format(
            day=dt.datetime.now(dt.timezone.utc).date(),
            cores=os.cpu_count(),
            kernel=platform.release().split("-")[0],
            python=platform.python_version(),
        )
        FIGURES.write_text(head + "\n".join(made.rows) + "\n", encoding="utf-8")
