"""`noxlib_race_asyncio`: coroutines on an event loop that takes one ready task at random.

A loop that only shuffles what is ready in one round lets every task take a step before any takes
a second, and misses races between tasks that are rounds apart. Only the steps of tasks change places:
asyncio's own callbacks come in the order in which they were scheduled, as transports rely on.
A module of its own: asyncio costs every session its import otherwise.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from noxlib.pytest_plugin import race

AsyncOperation = Callable[..., Coroutine[Any, Any, object]]


def race_asyncio(
    *operations: AsyncOperation,
    check: Callable[..., object] | None = None,
    setup: Callable[[], Any] | None = None,
    seeds: int = race.SEEDS,
) -> None:
    """Run coroutines at once, under `seeds` orders of their steps; `check` holds after each."""
    race.need_two(operations)
    prove()
    for seed in race.seeds_of(seeds):
        state = () if setup is None else (setup(),)
        race.judge(seed, _interleaved(operations, state, seed), check, state)


def prove() -> None:
    """Find a planted lost update, once in each process; fail when the loop doesn't obey us here."""
    if _Proof.done:
        return
    for seed in range(race.SEEDS):
        counter = _Proof()
        _interleaved([_Proof.early, _Proof.late], (counter,), seed)
        if counter.value != 2:  # noqa: PLR2004
            _Proof.done = True
            return
    pytest.fail(
        "noxlib_race_asyncio can't interleave tasks in this interpreter: it missed a planted lost update",
        pytrace=False,
    )


class _Proof:
    done = False

    def __init__(self) -> None:
        self.value = 0

    async def early(self) -> None:
        seen = self.value
        await asyncio.sleep(0)
        self.value = seen + 1

    async def late(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        await self.early()


def _interleaved(
    operations: Sequence[AsyncOperation], state: tuple[Any, ...], seed: int
) -> list[BaseException]:
    loop = _RandomLoop(seed)
    try:
        return loop.run_until_complete(_errors([each(*state) for each in operations], seed))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _errors(work: Sequence[Coroutine[Any, Any, object]], seed: int) -> list[BaseException]:
    tasks = [asyncio.ensure_future(each) for each in work]
    _, stuck = await asyncio.wait(tasks, timeout=race.LIMIT_SECONDS)
    # Where it waits, before the cancellation takes it away.
    places = [f"{frame.f_code.co_filename}:{frame.f_lineno}" for task in stuck for frame in task.get_stack()]
    mine = asyncio.current_task()
    for task in asyncio.all_tasks() - {mine}:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    if stuck:
        where = "".join(f"\n  waits at {place}" for place in places)
        pytest.fail(
            f"deadlock: not ended within {race.LIMIT_SECONDS:g} s; {race.replay(seed)}{where}", pytrace=False
        )
    return [each for each in found if isinstance(each, BaseException)]


class _RandomLoop(asyncio.SelectorEventLoop):
    """Let everything run that is ready, but of the tasks only one, chosen by the seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._choice = random.Random(seed)  # noqa: S311  an order, no secret
        self._held: list[Any] = []

    def _run_once(self) -> None:
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        # One by one: another thread may append meanwhile, and must find the deque in place.
        mine = [ready.popleft() for _ in range(len(ready))]
        self._held += [handle for handle in mine if _is_step(handle)]
        chosen = [handle for handle in mine if not _is_step(handle)]
        if self._held:
            chosen.append(self._held.pop(self._choice.randrange(len(self._held))))
        ready.extendleft(reversed(chosen))
        super()._run_once()  # type: ignore[misc]


def _is_step(handle: Any) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)  # noqa: SLF001  as asyncio
