"""The coverage report's writers: table, Markdown, JSON; HTML and XML are coverage.py's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.files import write_whole

if TYPE_CHECKING:
    from coverage import Coverage

    from noxlib.report.coverage import Row


def write_service(cov: Coverage, folder: Path) -> None:
    """Write one service's html/, coverage.xml and coverage.json."""
    cov.html_report(directory=str(folder / "html"), ignore_errors=True)
    cov.xml_report(outfile=str(folder / "coverage.xml"), ignore_errors=True)
    cov.json_report(outfile=str(folder / "coverage.json"), ignore_errors=True)


def write_summaries(rows: Sequence[Row], folder: Path) -> None:
    """Write coverage.md, coverage.json and index.html over all services."""
    write_whole(folder / "coverage.md", markdown(rows))
    data = [{**asdict(row), "passed": row.passed} for row in rows]
    write_whole(folder / "coverage.json", json.dumps(data, indent=2))
    links = "".join(
        f'<li><a href="{row.service}/html/index.html">{row.service}</a> {_percent(row.combined)}</li>'
        for row in rows
    )
    write_whole(folder / "index.html", f"<!doctype html><title>coverage</title><ul>{links}</ul>\n")


def table(rows: Sequence[Row]) -> list[str]:
    """Return the report as aligned plain text."""
    cells = _cells(rows)
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = []
    for index, line in enumerate(cells):
        first, *others = (text.rjust(width) for text, width in zip(line, widths, strict=True))
        lines.append("  ".join([line[0].ljust(len(first)), *others]).rstrip())
        if index == 0:
            lines.append("  ".join("-" * width for width in widths))
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """Return the report as Markdown, fit for a CI job's summary."""
    head, *body = _cells(rows)
    lines = ["# Coverage", "", f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    lines += [f"| {' | '.join(line)} |" for line in body]
    found = findings(rows)
    return "\n".join([*lines, *(["", *(f"- {each.strip()}" for each in found)] if found else []), ""])


def findings(rows: Sequence[Row]) -> list[str]:
    """Return what keeps the report from passing, with the lines that would close the gaps."""
    lines: list[str] = []
    for row in rows:
        lines += [f"  {fault}" for fault in row.faults]
        if row.closing:
            lines += ["  these lines would close the gap:", *(f"    {each}" for each in row.closing)]
    return lines


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.types))
    return [
        ["service", *kinds, "combined", "gate", "verdict"],
        *(
            [
                row.service,
                *(_percent(row.types.get(kind)) for kind in kinds),
                _percent(row.combined),
                f"{row.gate:g}",
                "passed" if row.passed else "failed",
            ]
            for row in rows
        ),
    ]


def _percent(value: Any) -> str:
    return "-" if value is None else f"{value:.2f}"
