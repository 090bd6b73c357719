"""What every test type is told, and the pytest command line that most of them share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from noxlib.model import Lease, Service, SessionPlan, SuiteSettings
from noxlib.plan import TYPES
from noxlib.templates import fill

PYTEST = ("pytest>=8", "pytest-cov>=5", "coverage>=7.10")
MAX_WORKERS = 8
_TAKE_A_WORD = ("-k", "-m", "-n", "-o", "-p", "-r", "-W", "-c")  # options of pytest whose word is no path
_ABOUT_WORKERS = ("-n", "--numprocesses", "--dist", "--pdb", "-pno:xdist", "no:xdist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One session's suite, its resources up. Paths are absolute."""

    plan: SessionPlan
    service: Service
    settings: SuiteSettings
    python: str
    root: Path
    service_folder: Path
    run_folder: Path
    state_folder: Path
    rcfile: Path | None  # coverage's configuration; None: this type isn't measured
    environment: Mapping[str, str]
    leases: tuple[Lease, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    posargs: tuple[str, ...] = ()
    parallel: bool = False  # other sessions run beside this one

    @property
    def folder(self) -> Path:
        """The folder that the suite is run in."""
        return self.service_folder / self.settings.cwd

    @property
    def paths(self) -> tuple[str, ...]:
        """What is collected: the settings' paths, or the type's own folder."""
        return self.settings.paths or (f"tests/{self.plan.type}",)


def pytest_command(suite: Suite, arguments: Sequence[str] = ()) -> list[str]:
    """Return pytest's command line: the type's arguments, the settings', then the user's, who wins."""
    given = fill_all(suite, suite.settings.args)
    plugins = [word for name in suite.settings.plugins for word in ("-p", name)]
    return [
        suite.python,
        "-m",
        "pytest",
        f"--junitxml={suite.run_folder / 'junit.xml'}",
        *_cache_folder(suite),
        *_coverage(suite),
        *plugins,
        *arguments,
        *given,
        *suite.posargs,
        *([] if _names_tests(suite) else fill_all(suite, suite.paths)),
    ]


def _cache_folder(suite: Suite) -> list[str]:
    """Give each type its own last-failed list: two sessions of a service may run at once."""
    return ["-o", f"cache_dir={suite.state_folder / 'pytest' / suite.plan.name}"]


def _coverage(suite: Suite) -> list[str]:
    if suite.rcfile is None:
        return []
    return ["--cov", f"--cov-config={suite.rcfile}", "--cov-report="]


def _names_tests(suite: Suite) -> bool:
    """Tell whether the user's arguments name files or tests, which replace the suite's paths."""
    words = suite.posargs
    return any(
        not word.startswith("-")
        and before not in _TAKE_A_WORD
        and (suite.folder / word.partition("::")[0]).exists()
        for before, word in zip(("", *words), words, strict=False)
    )


def workers(suite: Suite) -> list[str]:
    """Return xdist's arguments, unless the project's or the user's own say it already."""
    chosen = suite.settings.workers
    words = (*_addopts(suite), *suite.settings.args, *suite.posargs)
    if any(word.startswith(_ABOUT_WORKERS) for word in words):
        return []
    if chosen == "auto":
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # Under `nox -j` the other sessions keep the cores busy.
        return [] if suite.parallel or count == 1 else ["-n", str(min(count, MAX_WORKERS))]
    return ["-n", chosen] if chosen != "0" else []


def _addopts(suite: Suite) -> list[str]:
    """Return the project's own addopts: a second -n would override them silently."""
    found = shlex.split(suite.environment.get("PYTEST_ADDOPTS", ""))
    for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini"):
        path = suite.folder / name
        if path.is_file():
            found += _addopts_of(path.read_text(encoding="utf-8"))
    return found


def _addopts_of(text: str) -> list[str]:
    """Find addopts' words in an ini or TOML file; both spell it `addopts =`, TOML also as a list."""
    words: list[str] = []
    inside = False
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() == "addopts":
            inside, line = True, value  # noqa: PLW2901  the rest of the line is looked at below
        elif inside and ((equals and not line.startswith((" ", "\t"))) or line.startswith("[")):
            inside = False
        if inside:
            words += line.replace('"', " ").replace("'", " ").replace("[", " ").replace(",", " ").split()
    return words


def values(suite: Suite) -> dict[str, str]:
    """Return what templates in `args`, `paths` and `command` may name."""
    process = next((lease for lease in reversed(suite.leases) if lease.kind == "process"), None)
    return {
        "root": str(suite.root),
        "service": str(suite.service_folder),
        "run_folder": str(suite.run_folder),
        "python": suite.python,
        "rcfile": str(suite.rcfile or ""),
        "workers": suite.settings.workers,
        "host": process.address.host if process else "",
        "port": str(process.address.port) if process else "",
        **{f"ENV:{name}": value for name, value in suite.environment.items()},
    }


def fill_all(suite: Suite, texts: Sequence[str]) -> list[str]:
    """Fill the templates of a command line."""
    place = f"services.toml: services.{suite.service.name}.types.{suite.plan.type}"
    return [fill(text, values(suite), place) for text in texts]


def is_measured(service: Service, kind: str) -> bool:
    """Tell whether this type's tests run under coverage. What measures time never does."""
    return TYPES[kind].measured and bool(service.source)
