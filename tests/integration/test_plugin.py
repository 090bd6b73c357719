"""The plugin in a pytest of its own, with a session file as the supervisor writes it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from noxlib import launch
from noxlib.model import SessionFile, SessionPlan, SuiteSettings, to_json

PLAN = SessionPlan(
    name="unit-a", service="a", type="unit", python="", tags=(), description="", exclusive=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    output: str
    folder: Path

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        rows = json.loads((self.folder / "run/outcomes.json").read_text())
        return {row["test"].rpartition("::")[2]: row for row in rows}


class Suite:
    """One test file in one session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()
        (folder / "tests").mkdir()

    def run(self, kind: str, text: str, *words: str, env: dict[str, str] | None = None, **more: Any) -> Ended:
        (self.folder / "tests/test_it.py").write_text(text)
        settings = SuiteSettings(users=2, run_time=0.2)
        found = SessionFile(
            plan=replace(PLAN, name=f"{kind}-a", type=kind),
            service_folder=str(self.folder),
            run_folder=str(self.folder / "run"),
            examples_folder=str(self.folder / "examples"),
            control=str(self.folder / "control"),
            token="token",
            box="guarded",
            network="closed",
            settings=settings,
        )
        session = self.folder / "session.json"
        session.write_text(json.dumps(to_json(replace(found, **more))))
        dropped = ("NOXLIB_SESSION_TAKEN", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
        environment = {key: value for key, value in os.environ.items() if key not in dropped}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "tests"]
        if not _installed():
            command[3:3] = ["-p", "noxlib.pytest_plugin"]
        package = str(Path(__file__).parents[2])
        done = launch.run(
            command,
            launch.Setting(
                cwd=self.folder,
                env={**environment, "NOXLIB_SESSION": str(session), "PYTHONPATH": package, **(env or {})},
                sink=lambda _chunk: None,
            ),
            timeout=60,
        )
        return Ended(code=done.code, output=done.output, folder=self.folder)


def _installed() -> bool:
    return any(each.name == "noxlib" for each in entry_points(group="pytest11"))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


OUTCOMES = """
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.xfail(reason="known")
def test_known(): assert False
@pytest.fixture
def broken(): raise RuntimeError("no")
def test_error(broken): pass
"""


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_outcomes_hold_how_every_test_ended(suite: Suite, words: tuple[str, ...]) -> None:
    ended = suite.run("integration", OUTCOMES, *words)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_skipped": "skipped",
        "test_known": "xfailed",
        "test_error": "error",
    }
    assert "later" in ended.outcomes["test_skipped"]["reason"]


def test_a_file_that_cannot_be_imported_is_an_error(suite: Suite) -> None:
    ended = suite.run("integration", "import nothing_like_this\n")
    assert [row["outcome"] for row in ended.outcomes.values()] == ["error"]


SOCKETS = """
import multiprocessing, socket
def test_connects(): socket.create_connection(("127.0.0.1", 9), timeout=1)
def test_binds(): socket.socket().bind(("127.0.0.1", 0))
def test_looks_up(): socket.getaddrinfo("localhost", 80)
def test_unix(tmp_path): socket.socket(socket.AF_UNIX).bind(str(tmp_path / "s"))
def test_pair():
    one, other = socket.socketpair()
    one.close(); other.close()
"""


def test_a_unit_test_that_opens_a_socket_fails_by_name(suite: Suite) -> None:
    ended = suite.run("unit", SOCKETS, "-p", "no:randomly")
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found.pop("test_pair") == "passed"
    assert set(found.values()) == {"failed"}
    assert "a unit test opens no socket" in ended.output


OUTSIDE = """
import socket, threading
def test_outside(): socket.create_connection(("192.0.2.1", 80), timeout=1)
def test_name(): socket.getaddrinfo("somewhere.example", 80)
def test_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
"""


def test_the_outside_is_refused_and_loopback_is_not(suite: Suite) -> None:
    ended = suite.run("integration", OUTSIDE)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found == {"test_outside": "failed", "test_name": "failed", "test_loopback": "passed"}
    assert 'network = "open"' in ended.output


RACES = """
import threading
class Counter:
    def __init__(self):
        self.value = 0
        self.lock = threading.Lock()
    def bad(self):
        for _ in range(5): self.value += 1
    def good(self):
        for _ in range(5):
            with self.lock: self.value += 1
def test_bad(noxlib_race):
    noxlib_race(Counter.bad, Counter.bad, setup=Counter, check=lambda c: c.value == 10)
def test_good(noxlib_race):
    noxlib_race(Counter.good, Counter.good, setup=Counter, check=lambda c: c.value == 10)
def test_raises(noxlib_race):
    noxlib_race(lambda: 1 / 0, lambda: None, seeds=1)
def test_check_raises(noxlib_race):
    def check(): raise ValueError("broken invariant")
    noxlib_race(lambda: None, lambda: None, check=check, seeds=1)
class Account:
    def __init__(self): self.balance = 10
    async def spend(self):
        import asyncio
        seen = self.balance
        await asyncio.sleep(0)
        self.balance = seen - 5
def test_bad_asyncio(noxlib_race_asyncio):
    noxlib_race_asyncio(Account.spend, Account.spend, setup=Account, check=lambda a: a.balance == 0)
def test_good_asyncio(noxlib_race_asyncio):
    async def nothing(state): return None
    noxlib_race_asyncio(nothing, nothing, setup=dict, check=lambda state: state == {})
"""


def test_the_race_harness_finds_planted_bugs_and_lets_correct_code_pass(suite: Suite) -> None:
    ended = suite.run("race", RACES)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert {name for name, outcome in found.items() if outcome == "passed"} == {
        "test_good",
        "test_good_asyncio",
    }
    for words in ("NOXLIB_RACE_SEED=", "ZeroDivisionError", "broken invariant"):
        assert words in ended.output


def test_a_seed_replays_alone(suite: Suite) -> None:
    text = (
        "def test_seeds(noxlib_race):\n"
        "    seen = []\n"
        "    noxlib_race(lambda: None, lambda: None, setup=lambda: seen.append(1), check=lambda _: True)\n"
        "    assert len(seen) == 1\n"
    )
    text = text.replace("lambda: None, lambda: None", "lambda _: None, lambda _: None")
    assert suite.run("race", text, env={"NOXLIB_RACE_SEED": "3"}).code == 0
    assert suite.run("race", text).code == 1


def test_a_deadlock_is_shown_with_its_stacks(suite: Suite) -> None:
    text = (
        "import threading\n"
        "from noxlib.pytest_plugin import race\n"
        "race.LIMIT_SECONDS = 1.0\n"
        "def test_stuck(noxlib_race):\n"
        "    gate = threading.Event()\n"
        "    noxlib_race(lambda: gate.wait(30), lambda: None, seeds=1)\n"
    )
    ended = suite.run("race", text)
    assert ended.code == 1
    assert "deadlock" in ended.output
    assert "gate.wait" in ended.output


def test_load_counts_iterations_and_failures(suite: Suite) -> None:
    text = (
        "def test_load(noxlib_load):\n"
        "    def work(user):\n"
        "        if user: raise ValueError('no')\n"
        "        sum(range(100))\n"
        "    result = noxlib_load(work, seconds=0.2)\n"
        "    assert 0 < result.failures < result.iterations and result.rate > 0\n"
        "    assert result.errors == {'ValueError': result.failures}\n"
    )
    ended = suite.run("stress", text)
    assert ended.code == 0, ended.output
    load = json.loads((ended.folder / "run/load.json").read_text())
    assert load["iterations"] > load["failures"] > 0
    assert load["response_times_ms"]["p50"] <= load["response_times_ms"]["max"]


@pytest.mark.parametrize("fixture", ["noxlib_race", "noxlib_race_asyncio", "noxlib_load", "noxlib_chaos"])
def test_a_fixture_of_another_type_is_refused_with_the_remedy(suite: Suite, fixture: str) -> None:
    ended = suite.run("integration", f"def test_it({fixture}): pass\n")
    assert ended.code == 1
    assert "move the test to tests/" in ended.output


def test_chaos_names_what_there_is_and_says_when_nobody_answers(suite: Suite) -> None:
    text = (
        "import pytest\n"
        "def test_none(noxlib_chaos):\n"
        "    noxlib_chaos.postgres\n"
        "def test_silent(noxlib_chaos):\n"
        "    noxlib_chaos.wait_healthy(timeout=0.1)\n"
        "def test_never(noxlib_chaos):\n"
        "    noxlib_chaos.eventually(lambda: False, within=0.1)\n"
        "def test_at_last(noxlib_chaos):\n"
        "    left = [1, 2]\n"
        "    assert noxlib_chaos.eventually(lambda: left.pop() == 1 and 'yes') == 'yes'\n"
    )
    ended = suite.run("chaos", text)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found.pop("test_at_last") == "passed"
    assert set(found.values()) == {"failed"}
    for words in ("no such postgres", "can't be reached", "not within 0.1 s"):
        assert words in ended.output


def test_hypothesis_keeps_its_examples_also_where_ci_is_set(suite: Suite) -> None:
    text = (
        "from hypothesis import given, settings, strategies as st\n"
        "def test_profile():\n"
        "    assert settings.default.database is not None and not settings.default.derandomize\n"
        "@given(st.integers())\n"
        "def test_small(n): assert n < 100\n"
    )
    ended = suite.run("property", text, env={"CI": "true"})
    assert ended.outcomes["test_profile"]["outcome"] == "passed"
    assert ended.outcomes["test_small"]["outcome"] == "failed"
    assert list((ended.folder / "examples").rglob("*"))


def test_the_plugin_is_inert_outside_of_a_session(suite: Suite) -> None:
    (suite.folder / "run/outcomes.json").unlink(missing_ok=True)
    ended = suite.run(
        "unit",
        "import socket\ndef test_it(): socket.getaddrinfo('localhost', 1)\n",
        env={"NOXLIB_SESSION": ""},
    )
    assert ended.code == 0
    assert not (suite.folder / "run/outcomes.json").exists()


def test_a_session_file_that_makes_no_sense_is_said(suite: Suite) -> None:
    broken = suite.folder / "broken.json"
    broken.write_text("{")
    ended = suite.run("unit", "def test_it(): pass\n", env={"NOXLIB_SESSION": str(broken)})
    assert ended.code != 0
    assert "no session file" in ended.output
