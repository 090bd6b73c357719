from __future__ import annotations

import logging
from threading import Event

import pytest

from gateway.background import Background, Loop

SECONDS = 5.0


class Steps:
    """Counts; fails as often as it is told to; says when a number is reached."""

    def __init__(self, *, failing: int = 0, wanted: int = 1, again: bool = False) -> None:
        self.count = 0
        self.failing, self.wanted, self.again = failing, wanted, again
        self.reached = Event()

    def __call__(self) -> bool:
        self.count += 1
        if self.count >= self.wanted:
            self.reached.set()
        if self.count <= self.failing:
            raise ConnectionError
        return self.again


def ended(loop: Loop) -> bool:
    loop.ask_to_stop()
    return loop.ended(SECONDS)


def test_a_step_is_repeated_at_once_while_there_is_something_to_do() -> None:
    steps = Steps(wanted=100, again=True)
    loop = Loop("busy", steps, 60.0)
    loop.start()
    assert steps.reached.wait(SECONDS)
    assert ended(loop)


def test_an_idle_loop_can_be_woken_and_stopped() -> None:
    steps = Steps(wanted=2)
    loop = Loop("idle", steps, 60.0)
    loop.start()
    while not steps.reached.is_set():
        loop.wake()
    assert ended(loop)


def test_a_failing_step_is_repeated_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    steps = Steps(failing=3, wanted=5)
    loop = Loop("failing", steps, 0.0)
    loop.start()
    assert steps.reached.wait(SECONDS)
    assert ended(loop)
    assert [record.message for record in caplog.records] == ["failing", "recovered"]


def test_a_loop_that_does_not_end_is_named(caplog: pytest.LogCaptureFixture) -> None:
    release, begun = Event(), Event()

    def stuck() -> bool:
        begun.set()
        return release.wait(SECONDS)

    relay, worker = Loop("relay", Steps(), 60.0), Loop("worker", stuck, 0.0)
    background = Background(relay, [worker])
    background.start()
    background.wake()
    assert begun.wait(SECONDS)
    background.stop(0.1)
    assert [record.fields["loop"] for record in caplog.records] == ["worker"]  # type: ignore[attr-defined]
    release.set()
    assert worker.ended(SECONDS)
