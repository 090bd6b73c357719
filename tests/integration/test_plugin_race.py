"""The race harnesses in a pytest of their own: planted bugs are found, correct code passes."""

from __future__ import annotations

from plugin_suite import Suite

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


LONELY = """
import asyncio
async def nothing(): pass
def test_threads(noxlib_race): noxlib_race(lambda: None)
def test_tasks(noxlib_race_asyncio): noxlib_race_asyncio(nothing)
"""


def test_an_operation_without_another_is_no_race(suite: Suite) -> None:
    ended = suite.run("race", LONELY)
    assert {row["outcome"] for row in ended.outcomes.values()} == {"failed"}
    assert "two operations or more" in ended.output


TASKS = """
import asyncio
class Count:
    value = 0
    async def add(self):
        seen = self.value
        await asyncio.sleep(0)
        self.value = seen + 1
    async def add_later(self):
        for _ in range(4): await asyncio.sleep(0)
        await self.add()
def test_rounds_apart(noxlib_race_asyncio):
    noxlib_race_asyncio(Count.add, Count.add_later, setup=Count, check=lambda count: count.value == 2)
def test_raises(noxlib_race_asyncio):
    async def fails(): raise ValueError("in a task")
    noxlib_race_asyncio(fails, fails)
def test_streams_are_no_race(noxlib_race_asyncio):
    async def echo():
        async def serve(reader, writer):
            writer.write(await reader.readline()); await writer.drain(); writer.close()
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\\n")
            assert await reader.readline() == b"hello\\n"
            writer.close(); await writer.wait_closed()
    noxlib_race_asyncio(echo, echo, seeds=5)
def test_threads_are_no_race(noxlib_race_asyncio):
    async def work():
        for _ in range(5): await asyncio.to_thread(int)
    noxlib_race_asyncio(work, work)
def test_stuck(noxlib_race_asyncio):
    from noxlib.pytest_plugin import race
    race.LIMIT_SECONDS = 0.3
    async def waits(): await asyncio.Event().wait()
    noxlib_race_asyncio(waits, waits, seeds=1)
"""


def test_tasks_meet_also_when_they_are_rounds_apart(suite: Suite) -> None:
    ended = suite.run("race", TASKS, "-p", "no:randomly")
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found == {
        "test_rounds_apart": "failed",
        "test_raises": "failed",
        "test_streams_are_no_race": "passed",
        "test_threads_are_no_race": "passed",
        "test_stuck": "failed",
    }, ended.output
    for words in ("in a task", "deadlock", "waits at"):
        assert words in ended.output


def test_a_service_that_is_not_installed_editable_is_interleaved_too(suite: Suite) -> None:
    code = "class Counter:\n    value = 0\n    def add(self):\n        for _ in range(5): self.value += 1\n"
    installed = suite.folder / ".nox/env/lib/python3/site-packages"
    for place in (installed / "shop", installed / "library", suite.folder / "src/shop"):
        place.mkdir(parents=True)
        (place / "__init__.py").write_text(code)
    text = (
        f"import sys\nsys.path.insert(0, {str(installed)!r})\n"
        "import library, shop\n"
        "def race(harness, kind, **more):\n"
        "    harness(kind.add, kind.add, setup=kind, check=lambda c: c.value == 10, **more)\n"
        "def test_own(noxlib_race): race(noxlib_race, shop.Counter)\n"
        "def test_named(noxlib_race): race(noxlib_race, library.Counter, modules=[library])\n"
        "def test_foreign(noxlib_race): race(noxlib_race, library.Counter)\n"
    )
    found = {name: row["outcome"] for name, row in suite.run("race", text).outcomes.items()}
    assert found == {"test_own": "failed", "test_named": "failed", "test_foreign": "passed"}


def test_a_seed_that_is_no_number_is_said(suite: Suite) -> None:
    text = "def test_it(noxlib_race): noxlib_race(int, int)\n"
    ended = suite.run("race", text, env={"NOXLIB_RACE_SEED": "seven"})
    assert "not a seed" in ended.output


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
