"""Real data: coverage.py in test processes and in servers, judged by the gate as a session judges it."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxlib import launch
from noxlib.coverage_config import process_environment, write_rcfile
from noxlib.gates import Case, coverage
from noxlib.gates.coverage import measured_percent
from noxlib.model import TEST_TYPES, Evidence, Install, Service, SessionPlan, SuiteSettings

SERVER = """\
import signal, sys, time
from cs1.work import answer

def main():
    print(answer(int(sys.argv[1])), flush=True)
    while True:
        time.sleep(0.01)
"""
# As uvicorn does: its own handler ends the loop, then the signal is raised again for whoever had it before.
POLITE = """\
import signal, sys, time
from cs1.work import answer

def main():
    stop = []
    before = signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    print(answer(int(sys.argv[1])), flush=True)
    while not stop:
        time.sleep(0.01)
    signal.signal(signal.SIGTERM, before)
    signal.raise_signal(signal.SIGTERM)
"""
WORK = """\
def answer(number):
    if number > 5:
        return "many"
    return "few"
"""
TEST = """\
from cs1.work import answer

def test_few():
    assert answer(1) == "few"
"""
STARTS = """\
import subprocess, sys

def test_few():
    code = "from cs1.work import answer; assert answer(1) == 'few'"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


class Session:
    """A service's folder and a run's, and the commands that a session would run in them."""

    def __init__(self, root: Path, **service: Any) -> None:
        self.folder = root / "services" / "cs1"
        self.run = root / "run"
        self.service = Service(
            name="cs1",
            path="services/cs1",
            source=("src/cs1",),
            types=dict.fromkeys(TEST_TYPES, SuiteSettings()),
            **service,
        )
        self.write({"src/cs1/__init__.py": "", "src/cs1/work.py": WORK, "tests/unit/test_work.py": TEST})
        self.rcfile = self.run / "coverage" / "rcfile"
        write_rcfile(self.rcfile, self.service, self.folder, self.run / "coverage")

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text, encoding="utf-8")

    def environment(self, **more: str) -> dict[str, str]:
        own = {
            key: value for key, value in os.environ.items() if not key.startswith(("COV", "PYTEST", "NOXLIB"))
        }
        return {**own, "PYTHONPATH": str(self.folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def pytest(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
        command += ["--cov", f"--cov-config={self.rcfile}", "--cov-report=", *arguments, "tests/unit"]
        setting = launch.Setting(cwd=self.folder, env=self.environment(), sink=lambda _chunk: None)
        done = launch.run(command, setting, timeout=60)
        assert done.code == 0, done.output

    def serve(self, number: int, stop: int = signal.SIGTERM) -> None:
        """Start a server under coverage, wait for its answer, and end it."""
        said: list[bytes] = []
        command = [sys.executable, "-c", "from cs1.server import main; main()", str(number)]
        setting = launch.Setting(
            cwd=self.run, env=self.environment(**process_environment(self.rcfile)), sink=said.append
        )
        child = launch.start(command, setting)
        until = time.monotonic() + 20
        while not any(said) and time.monotonic() < until:
            time.sleep(0.01)
        child.stop(grace=10.0, first=stop)
        assert b"".join(said).strip() in {b"many", b"few"}

    def case(self, fail_under: float | None = None) -> Case:
        return Case(
            plan=SessionPlan(
                name="unit-cs1",
                service="cs1",
                type="e2e",
                python="",
                tags=(),
                description="",
                exclusive=False,
            ),
            service=self.service,
            settings=SuiteSettings(fail_under=fail_under),
            folder=self.run,
            service_folder=self.folder,
            evidence=Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1),
            today=dt.date(2026, 11, 21),
        )


@pytest.fixture
def session(tmp_path: Path) -> Callable[..., Session]:
    return lambda **service: Session(tmp_path, **service)


def test_branches_count_as_coverage_itself_counts_them(session: Callable[..., Session]) -> None:
    made = session()
    made.pytest()
    # 3 of 4 lines and 1 of 2 branches.
    assert measured_percent(made.case()) == pytest.approx(100 * 4 / 6)
    found = coverage.judge(made.case(fail_under=70))
    assert not found.passed
    assert found.details[1] == "  src/cs1/work.py:3 (1 line, +33.3 %)"


def test_the_data_of_xdists_workers_is_there(session: Callable[..., Session]) -> None:
    made = session()
    made.pytest("-n", "2")
    assert measured_percent(made.case()) == pytest.approx(100 * 4 / 6)


def test_a_process_that_a_test_starts_is_measured(session: Callable[..., Session]) -> None:
    made = session()
    made.write({"tests/unit/test_work.py": STARTS})
    made.pytest()
    assert measured_percent(made.case()) == pytest.approx(100 * 4 / 6)


@pytest.mark.parametrize("server", [SERVER, POLITE], ids=["default", "own-handler"])
def test_a_server_that_sigterm_ends_is_measured_beside_the_suite(
    session: Callable[..., Session], server: str
) -> None:
    made = session()
    made.write({"src/cs1/server.py": server})
    made.pytest()
    made.serve(9)
    percent = measured_percent(made.case())
    assert percent is not None
    work = coverage.judge(made.case(fail_under=100))
    assert "work.py" not in "\n".join(work.details)  # the suite ran one branch, the server the other


def test_a_killed_server_leaves_no_data_and_that_fails(session: Callable[..., Session]) -> None:
    made = session()
    made.write({"src/cs1/server.py": SERVER})
    made.serve(9, stop=signal.SIGKILL)
    found = coverage.judge(made.case())
    assert not found.passed
    assert "coverage data missing" in found.summary


def test_what_is_installed_beside_the_source_counts_for_the_source(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    made = session(install=Install(editable=False))
    installed = tmp_path / "venv" / "lib" / "site-packages"
    (made.folder / "src").rename(tmp_path / "aside")
    (installed).mkdir(parents=True)
    (tmp_path / "aside" / "cs1").rename(installed / "cs1")
    made.write({"src/cs1/__init__.py": "", "src/cs1/work.py": WORK})
    command = [sys.executable, "-c", "from cs1.work import answer; answer(1); answer(9)"]
    env = made.environment(**process_environment(made.rcfile), PYTHONPATH=str(installed))
    assert launch.run(command, launch.Setting(cwd=made.run, env=env), timeout=60).code == 0
    assert measured_percent(made.case()) == 100.0


def test_a_measured_process_that_judges_keeps_its_own_data(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    made = session()
    made.pytest()
    outer = tmp_path / "outer"
    write_rcfile(outer / "rcfile", made.service, made.folder, outer)
    code = (
        "import sys; from pathlib import Path; from cs1.work import answer; answer(9)\n"
        "from noxlib.coverage_data import combined, data_files\n"
        "folder = Path(sys.argv[1])\n"
        "with combined(folder / 'rcfile', data_files(folder)) as measured: print(measured.total())"
    )
    repository = str(Path(__file__).parents[2])
    env = made.environment(**process_environment(outer / "rcfile"))
    env["PYTHONPATH"] += os.pathsep + repository
    command = [sys.executable, "-c", code, str(made.run / "coverage")]
    done = launch.run(command, launch.Setting(cwd=outer, env=env, sink=lambda _chunk: None), timeout=60)
    assert done.output.startswith("66.6"), done.output
    made.run = tmp_path / "other"
    outer.rename(tmp_path / "coverage")
    made.run.mkdir()
    (tmp_path / "coverage").rename(made.run / "coverage")
    assert measured_percent(made.case()) == pytest.approx(100 * 4 / 6)
