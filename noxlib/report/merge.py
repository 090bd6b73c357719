"""Several services' JSON and XML reports as one, in coverage.py's own formats, by paths from the root."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from noxlib.files import write_whole
from noxlib.report.row import Row

SUMMED = (
    "covered_lines",
    "num_statements",
    "missing_lines",
    "excluded_lines",
    "num_branches",
    "num_partial_branches",
    "covered_branches",
    "missing_branches",
)
COUNTED = ("lines", "branches")


def keep_json(details: Mapping[str, Any], target: Path) -> None:
    """Write one service's JSON report for `write_json`."""
    write_whole(target, json.dumps(details))


def write_json(parts: Sequence[Path], rows: Sequence[Row], root: Path, folder: Path) -> None:
    """Write coverage.json: coverage.py's report of all files, and each service's row under "services"."""
    found = [json.loads(part.read_text(encoding="utf-8")) for part in parts if part.is_file()]
    files = {_from(root, name): file for each in found for name, file in each["files"].items()}
    totals = {key: sum(each["totals"].get(key, 0) for each in found) for key in SUMMED}
    of = totals["num_statements"] + totals["num_branches"]
    covered = totals["covered_lines"] + totals["covered_branches"]
    write_whole(
        folder / "coverage.json",
        json.dumps(
            {
                "meta": found[0]["meta"] if found else {},
                "services": [{**asdict(row), "passed": row.passed} for row in rows],
                "files": files,
                "totals": {**totals, "percent_covered": 100.0 * covered / of if of else 100.0},
            },
            indent=1,
        ),
    )


def write_xml(parts: Sequence[Path], root: Path, folder: Path) -> None:
    """Write coverage.xml (Cobertura), its file names relative to the root."""
    whole = ET.Element("coverage", {"version": "0", "timestamp": "0", "complexity": "0"})
    ET.SubElement(ET.SubElement(whole, "sources"), "source").text = "."
    packages = ET.SubElement(whole, "packages")
    counts = dict.fromkeys((f"{word}-{which}" for word in COUNTED for which in ("valid", "covered")), 0)
    for part in parts:
        if not part.is_file():
            continue
        # Our own file of a moment ago, and coverage.py's writer: nothing hostile to expand.
        tree = ET.parse(part).getroot()  # noqa: S314
        whole.set("version", tree.get("version", "0"))
        whole.set("timestamp", tree.get("timestamp", "0"))
        for key in counts:
            counts[key] += int(tree.get(key, "0"))
        for item in tree.iter("class"):
            item.set("filename", _from(root, item.get("filename", "")))
        for package in tree.iter("package"):
            package.set("name", _package(package))
            packages.append(package)
    for key, value in counts.items():
        whole.set(key, str(value))
    for word, name in zip(COUNTED, ("line-rate", "branch-rate"), strict=True):
        valid = counts[f"{word}-valid"]
        whole.set(name, f"{counts[f'{word}-covered'] / valid:.4g}" if valid else "0")
    ET.indent(whole)
    text = ET.tostring(whole, encoding="unicode")
    write_whole(folder / "coverage.xml", f'<?xml version="1.0" ?>\n{text}\n')


def _package(package: ET.Element) -> str:
    """Name a package by its folder, as coverage.py does: the same name in two services stays two."""
    first = next(package.iter("class"))
    return os.path.dirname(first.get("filename", "")).replace("/", ".") or "."  # noqa: PTH120  no path


def _from(root: Path, name: str) -> str:
    """Turn a name that coverage.py gave, relative to where we stand, into one from the root."""
    return Path(os.path.relpath(name, root)).as_posix()
