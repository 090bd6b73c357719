"""Kill it while fresh databases are made and dropped, beside a session that mustn't notice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import pytest
from conftest import BOXES, ROUNDS, Boxes, Victim

from noxlib import launch
from noxlib.testing import NOXFILE

SERVICES = """
[services.a]
path = "a"
source = ["src"]
[services.a.postgres]
migrate = ["psql", "-qc", "create table account (id int)"]
[services.a.types.integration]
workers = "2"
timeout = "40s"
[services.neighbour]
path = "neighbour"
source = ["src"]
[services.neighbour.postgres]
[services.neighbour.types.integration]
timeout = "10m"
"""
BUSY = """
import time
from pathlib import Path

import pytest

import mod

@pytest.mark.parametrize("number", range(100))
def test_takes_a_database(noxlib_database, number):
    Path(__file__).with_name("running").touch()
    time.sleep(0.01)
"""
NEIGHBOUR = """
import subprocess
import time
from pathlib import Path

import mod

def test_is_left_in_peace():
    Path(__file__).with_name("running").touch()
    while not Path(__file__).with_name("go").exists():
        subprocess.run(["psql", "-Atqc", "select 1"], check=True, timeout=10)
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, boxes: Boxes) -> Victim:
    made = Victim(tmp_path_factory.mktemp("town"), boxes)
    made.write(
        {
            "noxfile.py": NOXFILE,
            "services.toml": SERVICES,
            **{f"{name}/requirements.lock": "iniconfig==2.3.0\n" for name in ("a", "neighbour")},
            **{f"{name}/src/mod.py": "VALUE = 1\n" for name in ("a", "neighbour")},
            "a/tests/integration/test_a.py": BUSY,
            "neighbour/tests/integration/test_n.py": NEIGHBOUR,
        }
    )
    neighbours_go(made).touch()
    made.nox("-s", "integration-a", "integration-neighbour").assert_ok()
    return made


def neighbours_go(town: Victim) -> Path:
    return town.folder / "neighbour/tests/integration/go"


def parts(child: launch.Child) -> list[psutil.Process]:
    """Return a session's supervisor, server, pytest and workers, as many as live."""
    found = []
    for process in psutil.Process(child.pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if any(word in line for word in ("noxlib.supervisor", "postgres -D", "-m pytest", "stdin.readline")):
            found.append(process)
    return found


@pytest.mark.parametrize("box", BOXES)
def test_nothing_is_left_and_no_neighbour_harmed_at_any_moment(town: Victim, box: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    neighbours_go(town).unlink(missing_ok=True)
    running = neighbours_go(town).with_name("running")
    running.unlink(missing_ok=True)
    env = town.inside(box)
    neighbour = town.start("-s", "integration-neighbour", env=env)
    town.wait_running(neighbour, running)
    before = town.left()
    for _ in range(ROUNDS):
        child = town.begin(box=box)
        town.wait_running(child)
        time.sleep(dice.uniform(0.0, 0.5))
        alive = parts(child)
        for process in dice.sample(alive, dice.randint(1, len(alive))):
            launch.kill([process.pid])
            time.sleep(dice.choice((0.0, 0.01, 0.2)))
        assert child.wait(45) != 0
        town.assert_nothing_left(before)
    neighbours_go(town).touch()
    assert neighbour.wait(30) == 0, (town.folder / "nox.log").read_text(errors="replace")
    town.nox("-s", "integration-a", env=env).assert_ok()
