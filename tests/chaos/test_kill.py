"""Kill it: whatever dies, however, at whatever moment, nothing is left and the next run works."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import BOXES, MEMORY, ROUNDS, Victim

from noxlib import launch

ORDERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)


def member(child: launch.Child, *words: str) -> psutil.Process:
    """Return the process of a session whose command line holds all the words."""
    for process in psutil.Process(child.pid).children(recursive=True):
        if all(word in " ".join(process.cmdline()) for word in words):
            return process
    raise AssertionError(f"no process with {words}")


def next_run_works(victim: Victim, box: str) -> None:
    victim.go.touch()
    victim.nox("-s", "integration-a", env=victim.inside(box)).assert_ok()


def signalled(victim: Victim, box: str, number: int, *words: str) -> None:
    """Send a signal to a nox whose session is in its test, and see that nothing is left."""
    before = victim.left()
    child = victim.begin(*words, box=box)
    victim.wait_running(child)
    os.kill(child.pid, number)
    assert child.wait(20) is not None
    victim.assert_nothing_left(before)
    next_run_works(victim, box)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("number", ORDERS, ids=lambda number: signal.Signals(number).name)
def test_nothing_is_left_when_nox_gets_a_signal(victim: Victim, box: str, number: int) -> None:
    signalled(victim, box, number)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: signal.Signals(n).name
)
def test_nothing_is_left_when_nox_gets_a_signal_under_j(victim: Victim, box: str, number: int) -> None:
    signalled(victim, box, number, "unit-a", "-j", "2")


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(
    "words",
    [("noxlib.supervisor",), ("postgres", "-D"), ("-server", "127.0.0.1:"), ("-m", "pytest")],
    ids=["supervisor", "postgres", "redis", "suite"],
)
def test_nothing_is_left_when_a_part_is_killed(victim: Victim, box: str, words: tuple[str, ...]) -> None:
    before = victim.left()
    child = victim.begin(box=box)
    victim.wait_running(child)
    member(child, *words).kill()
    victim.go.touch()
    assert child.wait(30) is not None
    victim.assert_nothing_left(before)
    next_run_works(victim, box)


@pytest.mark.parametrize("box", BOXES)
def test_nothing_is_left_when_the_whole_tree_is_killed_at_once(victim: Victim, box: str) -> None:
    before = victim.left()
    child = victim.begin(box=box)
    victim.wait_running(child)
    tree = [child.pid, *(each.pid for each in psutil.Process(child.pid).children(recursive=True))]
    launch.kill(tree)
    child.wait(10)
    # The watchdog of a guarded box may have been among them: then the next start reaps.
    next_run_works(victim, box)
    victim.assert_nothing_left(before)


@pytest.mark.parametrize("box", BOXES)
def test_the_next_run_sweeps_a_box_that_nobody_holds(victim: Victim, box: str) -> None:
    # Where boxes lie by themselves: the victim's lie elsewhere.
    abandoned = Path(tempfile.mkdtemp(prefix="noxlib-", dir=MEMORY))
    abandoned.joinpath("lock").touch()
    next_run_works(victim, box)
    assert not abandoned.exists()


def _interrupt(child: launch.Child) -> None:
    os.kill(child.pid, signal.SIGINT)


def _kill(child: launch.Child) -> None:
    os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("end", [_interrupt, _kill])
def test_nothing_is_left_at_any_moment(victim: Victim, box: str, end: Callable[[launch.Child], None]) -> None:
    before = victim.left()
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for _ in range(ROUNDS):
        child = victim.begin(box=box)
        time.sleep(moments.uniform(0.1, 2.0))
        end(child)
        assert child.wait(20) is not None
        victim.assert_nothing_left(before)
    next_run_works(victim, box)


@pytest.mark.parametrize("box", BOXES)
def test_a_hung_suite_that_catches_sigterm_is_ended_by_its_time_limit(victim: Victim, box: str) -> None:
    before = victim.left()
    victim.write(
        {
            "b/requirements.lock": "iniconfig==2.3.0\n",
            "b/tests/unit/test_b.py": "import signal, time\n"
            "def test_hangs():\n"
            "    signal.signal(signal.SIGTERM, lambda *_: None)\n"
            "    while True: time.sleep(0.1)\n",
            "hung.toml": '[services.b]\npath = "b"\nsource = []\n'
            '[services.b.types.unit]\ntimeout = "2s"\nworkers = "0"\n',
            "hung.py": "from noxlib import generate_sessions\ngenerate_sessions('hung.toml')\n",
        }
    )
    result = victim.nox("-f", "hung.py", "-s", "unit-b", env=victim.inside(box), timeout=60)
    result.assert_failed().assert_says("timeout: the session ran longer than 2 s", "services.b.types.unit")
    victim.assert_nothing_left(before)
