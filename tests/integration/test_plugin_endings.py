"""What the plugin leaves of a suite that goes wrong: how far it came, why, and where it stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from plugin_suite import Suite
from waiting import eventually

from noxlib.protocol import STACKS_SIGNAL


def notes(suite: Suite) -> list[dict[str, Any]]:
    lines = (suite.folder / "run/progress.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def names(suite: Suite, word: str) -> list[str]:
    return [each[word].rpartition("::")[2] for each in notes(suite) if word in each]


GONE = """
import os
def test_a(): pass
def test_b(): assert False, "wrong"
def test_c(): os._exit(0)
def test_d(): pass
"""


def test_a_process_that_is_gone_leaves_how_far_it_came(suite: Suite) -> None:
    ended = suite.run("unit", GONE, "-p", "no:randomly")
    assert ended.code == 0
    assert not (suite.folder / "run/outcomes.json").exists()
    assert names(suite, "begun") == ["tests/test_it.py", "test_a", "test_b", "test_c"]
    found = {
        name: note["outcome"] for note in notes(suite) if (name := note.get("ended")) and note["outcome"]
    }
    assert [(each["outcome"], each["reason"].splitlines()[:1]) for each in found.values()] == [
        ("passed", []),
        ("failed", ["AssertionError: wrong"]),
    ]


WAITS = """
import os, signal, time
from pathlib import Path
def test_a():
    deadline = time.monotonic() + 10
    while "test_a" not in Path("run/progress.jsonl").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGKILL)
"""


def test_the_controller_of_xdist_knows_what_its_workers_run(suite: Suite) -> None:
    suite.run("integration", WAITS, "-n", "1")
    assert names(suite, "begun") == ["tests/test_it.py", "test_a"]


def test_a_worker_that_is_gone_while_it_imports_is_noted(suite: Suite) -> None:
    text = "import os\nif 'PYTEST_XDIST_WORKER' in os.environ: os._exit(0)\ndef test_a(): pass\n"
    suite.run("unit", text, "-n", "1", "--max-worker-restart", "0")
    assert names(suite, "begun") == ["tests/test_it.py"]
    assert "tests/test_it.py" not in names(suite, "ended")


def test_an_import_that_never_ends_is_noted(suite: Suite) -> None:
    suite.run("unit", "import os\nos._exit(3)\n")
    assert names(suite, "begun") == ["tests/test_it.py"]
    assert "tests/test_it.py" not in names(suite, "ended")


REASONS = """
import pytest
def test_fixture(nofix): pass
@pytest.fixture
def loop(loop): pass
def test_loop(loop): pass
"""


def test_a_missing_fixture_is_the_reason_and_not_its_place(suite: Suite) -> None:
    found = suite.run("integration", REASONS).outcomes
    assert found["test_fixture"]["reason"] == "fixture 'nofix' not found"
    assert found["test_loop"]["reason"].startswith("recursive dependency involving fixture 'loop'")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_like_this\n", "ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("def test_a(:\n", "SyntaxError: "),
    ],
)
def test_the_reason_of_a_failed_import_is_its_error(suite: Suite, text: str, reason: str) -> None:
    (found,) = suite.run("integration", text).outcomes.values()
    assert found["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("-k", "a and (b"), "Wrong expression passed to '-k'"),
        (("tests/nofile.py",), "file or directory not found: tests/nofile.py"),
    ],
)
def test_what_a_worker_refuses_is_noted(suite: Suite, words: tuple[str, ...], reason: str) -> None:
    suite.run("integration", "def test_a(): pass\n", "-n", "1", *words)
    assert names(suite, "refused")[0].startswith(reason)


@pytest.mark.parametrize("word", ["--setup-only", "--setup-plan"])
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_test_that_was_never_called_has_not_passed(
    suite: Suite, word: str, workers: tuple[str, ...]
) -> None:
    suite.run("integration", "def test_a(): assert 0\n", word, *workers)
    (outcome,) = json.loads((suite.folder / "run/outcomes.json").read_text())
    assert outcome["outcome"] == "error"
    assert "never called" in outcome["reason"]


HIDDEN = """
import threading
def fails(): assert 1 == 2
def test_thread():
    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
def test_returns(): return 1 == 2
"""


def test_what_pytest_only_warns_of_fails_unless_the_project_says_so(suite: Suite) -> None:
    suite.run("integration", HIDDEN)
    outcomes = json.loads((suite.folder / "run/outcomes.json").read_text())
    assert [each["outcome"] for each in outcomes] == ["failed", "failed"]
    (suite.folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = ignore\n")
    suite.run("integration", HIDDEN)
    outcomes = json.loads((suite.folder / "run/outcomes.json").read_text())
    assert [each["outcome"] for each in outcomes] == ["passed", "passed"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_what_the_collection_leaves_out_is_noted(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.run("integration", "def test_a(): pass\ndef test_b(): pass\n", *workers, "-k", "test_a")
    found = [each for each in notes(suite) if "deselected" in each]
    assert {each["deselected"] for each in found} == {1}
    assert len({each["by"] for each in found}) == len(found) == (2 if workers else 1)
    assert all(each["first"] == ["tests/test_it.py::test_b"] for each in found)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
@pytest.mark.parametrize(("asks", "noted"), [("noxlib_race", True), ("", False)])
def test_whether_a_test_uses_its_types_harness_is_noted(
    suite: Suite, asks: str, noted: bool, workers: tuple[str, ...]
) -> None:
    suite.run("race", f"def test_a({asks}): pass\n", *workers)
    assert any("harness" in each for each in notes(suite)) == noted


HANG = """
import os, signal, time
from pathlib import Path
def stand():
    Path("ready").touch()
    signal.raise_signal(int(os.environ["STACKS_SIGNAL"]))
def test_hangs(): stand()
"""


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_process_answers_where_it_stands_and_goes_on(suite: Suite, words: tuple[str, ...]) -> None:
    ended = suite.run("integration", HANG, *words, env={"STACKS_SIGNAL": str(int(STACKS_SIGNAL))})
    assert ended.code == 0
    found = [each.read_text() for each in (suite.folder / "run/logs").glob("stacks-*.log")]
    (stack,) = filter(None, found)
    assert f'File "{suite.folder}/tests/test_it.py", line 6 in stand' in stack
    assert len(found) == 1 + len(words) // 2


def test_a_pytest_inside_of_a_test_leaves_the_stacks_to_the_one_above(suite: Suite) -> None:
    inner = 'import subprocess, sys\ndef test_a():\n    subprocess.run([sys.executable, "-m", "pytest", "--version"])\n'
    suite.run("integration", inner)
    assert len(list((suite.folder / "run/logs").glob("stacks-*.log"))) == 1


def test_what_a_suite_left_running_is_found_by_its_variable(tmp_path: Path) -> None:
    # The first process of a box, which inherits orphans, stands for the supervisor.
    script = """
        import ctypes, subprocess, sys, time
        sys.path.insert(0, sys.argv[1])
        from noxlib.suite_run import left_behind
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        for name in ("mine", "other"):
            orphan = "sleep 60 & setsid sleep 61 & echo"
            subprocess.run(["sh", "-c", orphan], env={"NOXLIB_SESSION": name, "PATH": "/usr/bin:/bin"})
        deadline = time.monotonic() + 5
        while any("setsid" in each for each in left_behind("mine")) and time.monotonic() < deadline: time.sleep(0.01)
        print(sorted(left_behind("mine")), flush=True)
        sys.stdin.read()
    """
    package = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", textwrap.dedent(script), package]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as child:
        assert child.stdout is not None
        said = [line for _ in range(3) if (line := child.stdout.readline().strip())]
        orphans = [
            int(pid) for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        ]
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        child.communicate("")
    assert len(orphans) == 4
    assert said == ["['sleep 60', 'sleep 61']"]
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
