"""The coverage report for people: table, Markdown, and the page over coverage.py's own pages."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from noxlib.coverage_lines import shown
from noxlib.files import write_whole
from noxlib.report.row import Row

STYLE = (
    "<style>body{font:1rem sans-serif;margin:2rem}td,th{padding:.2rem .8rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}</style>"
)


def write_summaries(rows: Sequence[Row], folder: Path) -> None:
    """Write coverage.md, and html/index.html over the services' own pages."""
    write_whole(folder / "coverage.md", markdown(rows))
    write_whole(folder / "html" / "index.html", page(rows))


def page(rows: Sequence[Row]) -> str:
    """Return the table as a page that leads to each service's own."""
    head, *body = _cells(rows)
    lines = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8"><title>Coverage</title>',
        STYLE,
        "<h1>Coverage</h1>",
        "<table>",
        _html_row("th", head),
    ]
    for row, cells in zip(rows, body, strict=True):
        name = html.escape(row.service)
        link = f'<a href="{name}/index.html">{name}</a>' if row.combined is not None else name
        lines.append(_html_row("td", cells[1:], first=f"<td>{link}</td>"))
    found = [f"<li>{html.escape(each.strip())}</li>" for each in findings(rows)]
    return "\n".join([*lines, "</table>", *(["<ul>", *found, "</ul>"] if found else []), "</html>", ""])


def _html_row(tag: str, cells: Sequence[str], first: str = "") -> str:
    return f"<tr>{first}{''.join(f'<{tag}>{html.escape(each)}</{tag}>' for each in cells)}</tr>"


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


def _percent(value: float | None) -> str:
    return "-" if value is None else shown(value)
