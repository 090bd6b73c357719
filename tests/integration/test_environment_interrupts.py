"""Builds of environments that are interrupted, killed, or run twice at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from alpha_service import Alpha
from waiting import eventually, gone

from noxlib import launch

REPOSITORY = Path(__file__).parents[2]
BUILD = """
import sys
from functools import partial
from pathlib import Path
from noxlib.environment import Order, build
from noxlib.model import Service
folder = Path(sys.argv[1])
service = Service(name="alpha", path="alpha", source=("src/alpha",))
order = Order(
    service=service, folder=folder, python="", store=folder.parent / "store", tools=(),
    say=lambda text: print(text, flush=True),
)
print("key", build(order).key)
"""


@pytest.fixture
def slow(each_tool: Alpha) -> Iterator[Callable[[], int]]:
    """Make the service's installation hang, and return how to find the process that hangs."""
    marker = each_tool.folder / "slow"
    marker.touch()

    def pid() -> int:
        assert eventually(lambda: marker.read_text(encoding="utf-8"), 60)
        return int(marker.read_text(encoding="utf-8"))

    yield pid
    if text := marker.read_text(encoding="utf-8"):
        launch.kill([int(text)])


def start_build(alpha: Alpha, said: list[bytes]) -> launch.Child:
    command = [sys.executable, "-c", BUILD, str(alpha.folder)]
    return launch.start(command, launch.Setting(cwd=REPOSITORY, sink=said.append))


def test_an_interrupt_leaves_neither_folder_nor_process(each_tool: Alpha, slow: Callable[[], int]) -> None:
    def interrupt() -> None:
        slow()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        each_tool.build()
    thread.join()
    assert each_tool.environments() == []
    assert eventually(partial(gone, slow()))


def test_of_two_builds_at_once_one_builds_and_both_have_it(alpha: Alpha) -> None:
    said: list[list[bytes]] = [[], []]
    children = [start_build(alpha, lines) for lines in said]
    assert [child.wait(60) for child in children] == [0, 0]
    texts = [b"".join(lines).decode() for lines in said]
    assert sum("building its environment" in text for text in texts) == 1
    assert len({text.split("key ")[1] for text in texts}) == 1


def test_after_sigkill_the_orphaned_installer_keeps_the_folder_until_it_ends(
    alpha: Alpha, slow: Callable[[], int]
) -> None:
    said: list[bytes] = []
    first = start_build(alpha, [])
    hanging = slow()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (alpha.folder / "slow").rename(alpha.folder / "was-slow")
    second = start_build(alpha, said)
    assert eventually(lambda: b"waiting for another nox" in b"".join(said), 30), said
    os.killpg(os.getpgid(hanging), signal.SIGKILL)
    assert second.wait(60) == 0, said
    (alpha.folder / "was-slow").rename(alpha.folder / "slow")
