"""coverage.py's configuration for one session: the project's own settings, our data folder and source.

Standard library only. The configuration file of coverage.py is documented under "Configuration
reference"; `patch = subprocess` and COVERAGE_PROCESS_START exist since 7.10.
"""

from __future__ import annotations

import configparser
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noxlib.files import write_whole
from noxlib.model import Service

KEPT_LISTS = ("omit", "concurrency", "plugins", "disable_warnings", "patch")
KEPT_RUN = ("dynamic_context", "core", "timid")
KEPT_REGEXES = (
    "exclude_lines",
    "exclude_also",
    "partial_branches",
    "partial_branches_always",
    "partial_also",
)
KEPT_REPORT = ("ignore_errors", "include_namespace_packages")

Section = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """What of a project's own coverage settings stays in force. Values as in an ini file."""

    run: Mapping[str, Sequence[str]] = field(default_factory=dict)
    report: Mapping[str, Sequence[str]] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # plugin -> its options


def write_rcfile(target: Path, service: Service, service_folder: Path, data_folder: Path) -> None:
    """Write the configuration that measures `service` into `data_folder`, one file for each process."""
    # coverage.py follows links in the names of what it measures.
    service_folder = service_folder.resolve()
    own = project_settings(service_folder)
    omit = [*own.run.get("omit", ()), *service.coverage.omit]
    packages = [] if service.install.editable else [_package(service_folder, each) for each in service.source]
    exclude = [*own.report.get("exclude_also", ()), *map(_literal, service.coverage.exclude_also)]
    parser = configparser.RawConfigParser()
    parser["run"] = _filled(
        {
            **own.run,
            "branch": [str(service.coverage.branch).lower()],
            "source": [_literal(str(service_folder / each)) for each in service.source],
            # What is installed beside the tests is known by its name, not by its folder.
            "source_pkgs": packages,
            "disable_warnings": [
                *own.run.get("disable_warnings", ()),
                # Of every process that runs none of the source; the gate judges them together.
                "no-data-collected",
                *(["module-not-imported"] * bool(packages)),
            ],
            "parallel": ["true"],
            "relative_files": ["false"],
            "data_file": [_literal(str(data_folder / ".coverage"))],
            "patch": list(dict.fromkeys([*own.run.get("patch", ()), "subprocess"])),
            "sigterm": ["true"],
            "omit": _anchored(omit, service_folder),
        }
    )
    parser["report"] = _filled(
        {
            **own.report,
            "omit": _anchored(own.report.get("omit", ()), service_folder),
            "include": _anchored(own.report.get("include", ()), service_folder),
            "exclude_also": exclude,
        }
    )
    parser["paths"] = {
        f"source{index}": _lines(_places(service_folder, each)) for index, each in enumerate(service.source)
    }
    for plugin, options in own.plugins.items():
        parser[plugin] = options
    text = io.StringIO()
    parser.write(text)
    write_whole(target, text.getvalue())


def process_environment(rcfile: Path) -> dict[str, str]:
    """Return the variables that put every Python process started with them under coverage."""
    return {"COVERAGE_PROCESS_START": str(rcfile)}


def project_settings(folder: Path) -> ProjectSettings:
    """Return what of a project's own settings stays in force.

    Looked for where coverage.py looks, the first file with such settings wins: .coveragerc,
    .coveragerc.toml, setup.cfg, tox.ini, pyproject.toml. Its gate, its data file and its source
    don't stay: those are services.toml's.
    """
    sections = _sections(folder)
    run, report = sections.get("run", {}), sections.get("report", {})
    plugins = _list(run.get("plugins", ""))
    return ProjectSettings(
        run={
            **{key: _list(run[key]) for key in KEPT_LISTS if key in run},
            **{key: [_scalar(run[key])] for key in KEPT_RUN if key in run},
        },
        report={
            **{key: _list(report[key]) for key in ("omit", "include") if key in report},
            **{key: _regexes(report[key]) for key in KEPT_REGEXES if key in report},
            **{key: [_scalar(report[key])] for key in KEPT_REPORT if key in report},
        },
        plugins={
            name: {key: _lines(_list(value)) for key, value in sections[name].items()}
            for name in plugins
            if name in sections
        },
    )


# --- where a project keeps its settings -----------------------------------------------------


def _sections(folder: Path) -> Mapping[str, Section]:
    readers = (
        (".coveragerc", lambda path: _ini(path, "")),
        (".coveragerc.toml", _toml),
        ("setup.cfg", lambda path: _ini(path, "coverage:")),
        ("tox.ini", lambda path: _ini(path, "coverage:")),
        ("pyproject.toml", lambda path: _toml(path).get("tool", {}).get("coverage", {})),
    )
    for name, read in readers:
        path = folder / name
        if path.is_file() and (found := read(path)):
            return {key: value for key, value in found.items() if isinstance(value, Mapping)}
    return {}


def _ini(path: Path, prefix: str) -> dict[str, Section]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, ValueError):
        # A broken setup.cfg or tox.ini stops its own tool, with a better message.
        return {}
    return {
        name.removeprefix(prefix): dict(parser[name]) for name in parser.sections() if name.startswith(prefix)
    }


def _toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415  the name differs by version
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        # The installer has said it already, better.
        return {}


# --- values: what came from TOML or ini, as an ini file has it ------------------------------


def _list(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return [word for each in str(value).splitlines() for word in map(str.strip, each.split(",")) if word]


def _regexes(value: Any) -> list[str]:
    """Keep commas; hide what an ini file would take for a comment or the value's end."""
    lines = map(str, value) if isinstance(value, list) else str(value).splitlines()
    stripped = (each.strip().replace("\n", "\\n") for each in lines)
    return [f"[{each[0]}]{each[1:]}" if each[0] in "#;" else each for each in stripped if each]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _literal(text: str) -> str:
    """Keep coverage.py from taking a dollar sign for a variable."""
    return text.replace("$", "$$")


def _glob(path: Path) -> str:
    """Return a pattern for a path whose own characters may mean something in patterns and lists."""
    return re.sub(r"[][*?,$]", "?", str(path))


def _filled(options: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {
        key: values[0] if len(values) == 1 else _lines(values) for key, values in options.items() if values
    }


def _lines(values: Iterable[str]) -> str:
    return "\n" + "\n".join(values)


# --- places ---------------------------------------------------------------------------------


def _anchored(patterns: Iterable[str], folder: Path) -> list[str]:
    """Anchor relative patterns at the project's folder: the suite and the gates run elsewhere."""
    anchor = _glob(folder)
    return [
        each if each.startswith(("*", "/")) or "/" not in each else f"{anchor}/{each}" for each in patterns
    ]


def _package(folder: Path, source: str) -> str:
    """Return the dotted name by which a source folder's package is imported."""
    path = folder / source
    names = [path.name]
    while (path.parent / "__init__.py").is_file() and path.parent != folder:
        path = path.parent
        names.insert(0, path.name)
    below = Path(source).parts
    if "src" in below[:-1]:  # a namespace package has no __init__.py to go by
        names = list(below[below.index("src") + 1 :])
    return ".".join(names)


def _places(folder: Path, source: str) -> list[str]:
    """Return a source folder, and the patterns of where else its files may have been measured."""
    here = folder / source
    if source == ".":
        return [_literal(str(here)), _glob(here), f"*/{_glob(Path(folder.name))}"]
    installed = _package(folder, source).replace(".", "/")
    return [
        _literal(str(here)),
        _glob(here),
        f"*/{_glob(Path(folder.name))}/{source}",  # another checkout, as on CI
        f"*/site-packages/{installed}",  # installed, not editable
        f"*/{source}",  # a checkout of another name, as in an image
    ]
