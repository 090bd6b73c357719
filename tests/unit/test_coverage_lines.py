"""Percentages as shown, and the lines that would close a gap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.coverage_lines import closing_lines, missing_runs, shown


@pytest.mark.parametrize(
    ("percent", "text"),
    [(90.0, "90.00"), (89.999, "89.99"), (89.96, "89.96"), (93.1, "93.10"), (100.0, "100.00"), (0.0, "0.00")],
)
def test_a_percentage_is_never_rounded_up(percent: float, text: str) -> None:
    assert shown(percent) == text


def test_a_covered_line_ends_a_run_and_a_gap_in_the_text_does_not() -> None:
    assert missing_runs([1, 2, 4, 5, 9, 10], [2, 4, 9]) == [[2, 4], [9]]
    assert missing_runs([1, 2], []) == []


def details(files: dict[str, Any]) -> dict[str, Any]:
    found = {
        name: {"executed_lines": [], "missing_lines": [], "missing_branches": [], **f}
        for name, f in files.items()
    }
    covered = sum(len(file["executed_lines"]) for file in found.values())
    missing = sum(len(file["missing_lines"]) for file in found.values())
    untaken = sum(len(file["missing_branches"]) for file in found.values())
    totals = {
        "num_statements": covered + missing,
        "covered_lines": covered,
        "num_branches": untaken,
        "covered_branches": 0,
    }
    return {"files": found, "totals": totals}


HALF = details(
    {
        "/repo/cs1/src/a.py": {"executed_lines": list(range(1, 51)), "missing_lines": list(range(60, 100))},
        "/repo/cs1/src/b.py": {"executed_lines": [2, 5], "missing_lines": [1, 3, 4, 6, 7, 8, 9, 10]},
    }
)


def test_the_longest_runs_come_first_until_the_gate_is_reached() -> None:
    assert closing_lines(HALF, Path("/repo/cs1"), 52) == []
    assert closing_lines(HALF, Path("/repo/cs1"), 52.5) == ["src/a.py:60-99 (40 lines, +40.0 %)"]
    assert closing_lines(HALF, Path("/repo"), 98) == [
        "cs1/src/a.py:60-99 (40 lines, +40.0 %)",
        "cs1/src/b.py:6-10 (5 lines, +5.0 %)",
        "cs1/src/b.py:3-4 (2 lines, +2.0 %)",
    ]
    assert closing_lines(HALF, Path("/repo"), 100)[-1] == "cs1/src/b.py:1 (1 line, +1.0 %)"


def test_a_branch_counts_with_the_missing_lines_it_leads_to_or_by_itself() -> None:
    found = details(
        {
            "/r/a.py": {
                "executed_lines": [1, 2, 3, 8],
                "missing_lines": [4, 5],
                # Into the missing lines, out of them, and two that no missing line explains.
                "missing_branches": [[3, 4], [5, 8], [8, -1], [8, 1]],
            }
        }
    )
    assert closing_lines(found, Path("/r"), 100) == [
        "a.py:4-5 (2 lines, +40.0 %)",
        "a.py:8 (2 branches, +20.0 %)",
    ]


def test_only_ten_places_are_named() -> None:
    found = details({"/r/a.py": {"executed_lines": range(0, 60, 2), "missing_lines": list(range(1, 60, 2))}})
    lines = closing_lines(found, Path("/r"), 75)
    assert len(lines) == 11
    assert lines[-1] == "... and 5 more places"
