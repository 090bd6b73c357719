"""The machine's lock between real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import eventually

from noxlib import machine_lock as module
from noxlib.machine_lock import VARIABLE, holders, machine_lock

HOLD = """\
import sys
from noxlib.machine_lock import machine_lock
with machine_lock(alone=sys.argv[1] == "alone", say=print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)


@contextmanager
def another_session(how: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    script = Path(os.environ["NOXLIB_CACHE"], "hold.py")
    script.write_text(HOLD, encoding="utf-8")
    command = [sys.executable, str(script), how, *words]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_who_waits_is_told_for_whom_and_goes_on_at_their_end() -> None:
    said: list[str] = []

    def measure() -> None:
        with machine_lock(alone=True, say=said.append):
            said.append("measuring")

    with another_session("shared", "--", "--token=secret") as session:
        thread = threading.Thread(target=measure)
        thread.start()
        assert eventually(lambda: said, 10)
        session.kill()
        thread.join(10)
    assert said[0].startswith("waiting for other sessions on this machine to end: python")
    assert "hold.py" in said[0]
    assert said[0].endswith(f" shared (pid {session.pid})")
    assert "secret" not in said[0]
    assert said[1:] == ["measuring"]


def test_an_ordinary_session_waits_for_one_that_measures_only() -> None:
    said: list[str] = []
    with another_session("shared"), machine_lock(alone=False, say=said.append):
        assert said == []
    with another_session("alone") as session:
        thread = threading.Thread(target=lambda: machine_lock(alone=False, say=said.append).__enter__())
        thread.start()
        assert eventually(lambda: said, 10)
        session.kill()
        thread.join(10)
    assert said[0].startswith("waiting for a session that measures on this machine to end: ")


def test_each_of_several_holders_is_named(tmp_path: Path) -> None:
    with another_session("shared") as one, another_session("shared") as other:
        found = holders(tmp_path / "machine.lock")
    assert sorted(each.rpartition("(pid ")[2] for each in found) == sorted(
        f"{each.pid})" for each in (one, other)
    )


def test_where_the_kernel_keeps_it_to_itself_nobody_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCKS", tmp_path / "no such file")
    with another_session("shared"):
        assert holders(tmp_path / "machine.lock") == []
