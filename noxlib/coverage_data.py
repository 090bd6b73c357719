"""The data that a run's processes left, as one, and coverage.py's judgement of it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import io
import json
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.errors import GateError

if TYPE_CHECKING:
    from coverage import Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Data files combined in memory, their paths mapped to this checkout's; the files stay."""

    coverage: Coverage
    files: tuple[str, ...]  # absolute; empty when nothing was measured
    broken: tuple[str, ...]  # "<data file>: <what is wrong with it>"

    @property
    def ran(self) -> bool:
        """Tell whether any line was run at all; files that weren't count as measured, too."""
        data = self.coverage.get_data()
        return any(data.lines(name) for name in self.files)

    def total(self) -> float:
        """Return coverage.py's own total in percent, branches included where they were measured.

        Raises GateError when a file can't be judged.
        """
        return _judged(lambda: self.coverage.report(morfs=list(self.files), file=io.StringIO()))

    def details(self) -> dict[str, Any]:
        """Return coverage.py's JSON report. Raises GateError when a file can't be judged."""
        with tempfile.TemporaryDirectory(prefix="noxlib-coverage-") as folder:
            target = Path(folder) / "coverage.json"
            _judged(lambda: self.coverage.json_report(morfs=list(self.files), outfile=str(target)))
            found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return found

    def write(self, html: Path, xml: Path) -> None:
        """Write coverage.py's HTML and XML reports. Raises GateError when a file can't be judged."""
        _judged(lambda: self.coverage.html_report(morfs=list(self.files), directory=str(html)))
        _judged(lambda: self.coverage.xml_report(morfs=list(self.files), outfile=str(xml)))


def data_files(folder: Path) -> list[Path]:
    """Return the data files of a run, without what SQLite keeps beside them."""
    return sorted(
        each for each in folder.glob(".coverage*") if not each.name.endswith(("-journal", "-wal", "-shm"))
    )


@contextlib.contextmanager
def combined(rcfile: Path, files: Iterable[Path]) -> Iterator[Measured]:
    """Combine data files by the path map and the exclusions of a configuration written for a session."""
    from coverage import Coverage  # noqa: PLC0415  60 ms that only measured sessions pay

    _keep_outer_measurement()
    cov = Coverage(config_file=str(rcfile), data_file=None)
    # Where the source lay when it was measured is the path map's business from here on.
    cov.set_option("run:source", None)
    plugins = [each for each in _plugins(cov) if _importable(each)]
    cov.set_option("run:plugins", plugins)
    broken = [f"{path.name}: {fault}" for path in files if (fault := _add(cov, path))]
    # Mapped is mapped: otherwise every report copies all data to map it again.
    cov.set_option("paths", {})
    data = cov.get_data()
    names = sorted(
        name
        for name in data.measured_files()
        if (data.file_tracer(name) or "").split(".")[0] in {"", *plugins}
    )
    try:
        yield Measured(coverage=cov, files=tuple(names), broken=tuple(broken))
    finally:
        data.close(force=True)


def _add(cov: Coverage, path: Path) -> str:
    """Add one data file, or return what is wrong with it."""
    from coverage.exceptions import CoverageException  # noqa: PLC0415  lazy as its package

    if not path.stat().st_size:
        return "is empty: the process was killed while it wrote it"
    try:
        # Asked first, since coverage.py leaves the connection to a broken file open.
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT version FROM coverage_schema").fetchall()
    except sqlite3.Error as error:
        return f"can't be read: {error}"
    # A version that coverage.py can't read it only warns of.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cov.combine([str(path)], strict=True, keep=True)
        except CoverageException as error:
            said = caught[-1].message if caught else error
            return f"can't be read: {str(said).splitlines()[0]}"
    return ""


def _plugins(cov: Coverage) -> list[str]:
    found: Any = cov.get_option("run:plugins")
    return list(found)


def _importable(name: str) -> bool:
    """Tell whether a plugin of the service's environment is installed beside noxlib as well."""
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _judged(report: Callable[[], float]) -> float:
    from coverage.exceptions import CoverageException  # noqa: PLC0415  lazy as its package

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return report()
    except CoverageException as error:
        raise GateError(
            str(error).splitlines()[0],
            remedy="run the session again; where the syntax is too new, run nox with the service's Python",
        ) from error


@functools.cache
def _keep_outer_measurement() -> None:
    """Save what an automatic measurement of this very process has found, as its owner expects.

    A process started with COVERAGE_PROCESS_START doesn't save by itself any more once it makes
    a Coverage of its own.
    """
    from coverage import Coverage  # noqa: PLC0415  lazy as its package

    if outer := Coverage.current():
        atexit.register(outer.save)
