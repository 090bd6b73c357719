"""coverage.py's configuration for one session: the project's own settings, our data folder and source.

Standard library only. The configuration file of coverage.py is documented under "Configuration
reference"; `patch = subprocess` and COVERAGE_PROCESS_START exist since 7.10.
"""

from __future__ import annotations

import configparser
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noxlib.files import write_whole
from noxlib.model import Service

KEPT_RUN = ("omit", "concurrency", "plugins", "dynamic_context", "disable_warnings")
KEPT_REPORT = ("exclude_lines", "exclude_also", "partial_branches", "partial_also", "omit")


def write_rcfile(target: Path, service: Service, service_folder: Path, data_folder: Path) -> None:
    """Write the configuration that measures `service` into `data_folder`, one file for each process."""
    run, report = project_settings(service_folder)
    omit = [*run.pop("omit", []), *service.coverage.omit]
    parser = configparser.RawConfigParser()
    parser["run"] = {
        **{key: _lines(value) for key, value in run.items()},
        "branch": str(service.coverage.branch).lower(),
        "source": _lines([str(service_folder / each) for each in service.source]),
        "parallel": "true",
        "data_file": str(data_folder / ".coverage"),
        "patch": "subprocess",
        "sigterm": "true",
        **({"omit": _lines([_absolute(each, service_folder) for each in omit])} if omit else {}),
    }
    exclude = [*report.pop("exclude_also", []), *service.coverage.exclude_also]
    parser["report"] = {
        **{key: _lines(value) for key, value in report.items()},
        **({"exclude_also": _lines(exclude)} if exclude else {}),
    }
    parser["paths"] = {
        f"source{index}": _lines(
            [
                str(service_folder / each),
                f"*/{service_folder.name}/{each}",  # another checkout, as on CI
                f"*/site-packages/{Path(each).name}",  # installed, not editable
            ]
        )
        for index, each in enumerate(service.source)
        if each != "."
    }
    text = io.StringIO()
    parser.write(text)
    write_whole(target, text.getvalue())


def process_environment(rcfile: Path) -> dict[str, str]:
    """Return the variables that put every Python process started with them under coverage."""
    return {"COVERAGE_PROCESS_START": str(rcfile)}


def project_settings(folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return what of a project's own [run] and [report] stays in force.

    Looked for where coverage.py looks: .coveragerc, setup.cfg, tox.ini, pyproject.toml.
    """
    sections: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
    for name, prefix in ((".coveragerc", ""), ("setup.cfg", "coverage:"), ("tox.ini", "coverage:")):
        path = folder / name
        if path.is_file():
            parser = configparser.RawConfigParser(strict=False)
            parser.read(path, encoding="utf-8")
            found = {
                key: dict(parser[f"{prefix}{key}"]) for key in ("run", "report") if f"{prefix}{key}" in parser
            }
            if found:
                sections = (found.get("run", {}), found.get("report", {}))
                break
    else:
        tool = _pyproject(folder / "pyproject.toml")
        sections = (tool.get("run", {}), tool.get("report", {}))
    run, report = sections
    return (
        {key: _list(run[key]) for key in KEPT_RUN if key in run},
        {key: _list(report[key]) for key in KEPT_REPORT if key in report},
    )


def _pyproject(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415  the name differs by version
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        # The installer has said it already, better.
        return {}
    return dict(found.get("tool", {}).get("coverage", {}))


def _list(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return [each for each in str(value).splitlines() if each.strip()]


def _lines(values: list[str]) -> str:
    return "\n" + "\n".join(values)


def _absolute(pattern: str, folder: Path) -> str:
    """Anchor a relative pattern at the project's folder: the suite may run elsewhere."""
    return pattern if pattern.startswith(("*", "/")) else str(folder / pattern)
