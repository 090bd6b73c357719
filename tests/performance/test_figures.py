"""The three figures that noxlib promises, each beside its peer."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
import servers
from conftest import Table

from noxlib.model import Postgres
from noxlib.testing import NOXFILE, Project

ROOT = Path(__file__).parents[2]
BY_HAND = """
import nox

TYPES = ("unit", "property", "integration", "e2e", "stress", "race", "performance", "chaos")

def make(service, kind):
    @nox.session(name=f"{kind}-{service}", python=False, tags=["all-types", kind, service])
    def body(session):
        session.run("pytest", f"{service}/tests/{kind}")
    body.__doc__ = f"{service}: {kind} tests"

for number in range(100):
    for kind in TYPES:
        make(f"s{number}", kind)
"""
BY_HAND_UNIT = """
import json
import nox

@nox.session(venv_backend="none")
def unit(session):
    folder, command = json.load(open("command.json"))
    session.chdir(folder)
    session.run(*command, external=True)
"""
UNIT = """
import time

import mod
import pytest

@pytest.mark.parametrize("number", range(50))
def test_number(number):
    time.sleep(0.02)
    assert mod.double(number) == 2 * number
"""


def cpu(project: Project, *words: str) -> float:
    """Return the CPU seconds of a whole nox process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    project.nox(*words).assert_ok()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wall(project: Project, *words: str) -> float:
    """Return the wall seconds of a whole nox process."""
    begun = time.perf_counter()
    project.nox(*words).assert_ok()
    return time.perf_counter() - begun


def test_listing_eight_hundred_sessions(benchmark: Any, table: Table, tmp_path: Path) -> None:
    ours, hand = Project(tmp_path / "ours"), Project(tmp_path / "hand")
    services = "".join(f'[services.s{n}]\npath = "s{n}"\nsource = ["src"]\n' for n in range(100))
    ours.write({"noxfile.py": NOXFILE, "services.toml": services})
    for number in range(100):
        (ours.folder / f"s{number}/src").mkdir(parents=True)
    hand.write({"noxfile.py": BY_HAND})
    cpu(ours, "-l")
    found = table.pair(
        "`nox -l`, 100 services x 8 types, CPU, against the same sessions by hand",
        lambda: cpu(ours, "-l"),
        lambda: cpu(hand, "-l"),
        rounds=9,
        target="<= 1.25",
    )
    benchmark.extra_info["ratio"] = found[2]
    benchmark.pedantic(ours.nox, args=("-l",), rounds=3)


def beside_the_same_by_hand(table: Table, ours: Project, hand: Project, session: str, what: str) -> float:
    """Measure a warm session beside a hand-written one of the very same pytest; return the ratio."""
    result = ours.nox("-s", session).assert_ok()
    events = (result.run_folder(session) / "events.jsonl").read_text(encoding="utf-8").splitlines()
    started = next(json.loads(line) for line in events if "suite.started" in line)
    # In the same virtualenv, and judging coverage by itself, as a noxfile would have it.
    command = [word.replace("--cov-report=", "--cov-report=term") for word in started["command"]]
    folder = ours.folder / ("services/cs1" if session == "unit-cs1" else "a")
    hand.write({"noxfile.py": BY_HAND_UNIT, "command.json": json.dumps([str(folder), command])})
    return table.pair(
        f"{what}, wall, against the same pytest by hand",
        lambda: wall(ours, "-s", session),
        lambda: wall(hand),
        rounds=7,
        target="<= 1.25",
    )[2]


def test_a_warm_unit_session(benchmark: Any, table: Table, tmp_path: Path) -> None:
    ours, hand = Project(tmp_path / "ours"), Project(tmp_path / "hand")
    ours.write(
        {
            "noxfile.py": NOXFILE,
            "services.toml": '[services.a]\npath = "a"\nsource = ["src"]\n',
            "a/requirements.lock": "iniconfig==2.3.0\n",
            "a/src/mod.py": "def double(x):\n    return 2 * x\n",
            "a/tests/unit/test_mod.py": UNIT,
        }
    )
    what = "a warm unit session of 50 tests of 20 ms"
    benchmark.extra_info["ratio"] = beside_the_same_by_hand(table, ours, hand, "unit-a", what)
    benchmark.pedantic(ours.nox, args=("-s", "unit-a"), rounds=1)


def test_a_warm_unit_cs1(benchmark: Any, table: Table, tmp_path: Path) -> None:
    ours, hand = Project(ROOT), Project(tmp_path / "hand")
    benchmark.extra_info["ratio"] = beside_the_same_by_hand(table, ours, hand, "unit-cs1", "a warm unit-cs1")
    benchmark.pedantic(ours.nox, args=("-s", "unit-cs1"), rounds=1)


@pytest.mark.parametrize(("peer", "target"), [("default", ">= 4"), ("cached", ">= 1.5")])
def test_postgresql_ready_for_a_session(benchmark: Any, table: Table, peer: str, target: str) -> None:
    with servers.memory_folder() as folder:

        def ours() -> float:
            return servers.timed(servers.server(folder, Postgres(), 25432))[0]

        ours()
        found = table.pair(
            f"PostgreSQL ready, warm template, tmpfs, against testing.postgresql {peer}",
            ours,
            lambda: servers.peers_server(folder, peer)[0],
            rounds=7,
            target=target,
            faster=True,
        )
        benchmark.extra_info["ratio"] = found[2]
        benchmark.pedantic(ours, rounds=3)
