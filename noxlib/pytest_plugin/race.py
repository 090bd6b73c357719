"""`noxlib_race`: operations in threads under seeded yields between bytecode instructions.

A barrier finds none of the planted races, a tiny switch interval half of them, opcode-level yields
all. On Python 3.12+ they come from sys.monitoring's INSTRUCTION events; before, from opcode tracing
through threading.settrace. A tracer that silently does nothing would make every test green:
therefore the harness proves itself on a planted bug, once in each test process.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SEEDS = 20
LIMIT_SECONDS = 20.0
REPLAY = "NOXLIB_RACE_SEED"
_TOOL = 4  # of sys.monitoring; 0, 1, 2 and 5 have owners by convention
_random = threading.local()

Traced = Callable[[str], bool]
Operation = Callable[..., object]


class Race:
    """The harness, for the code of one service."""

    def __init__(self, folder: str) -> None:
        """Yield only in the service's folder, and in its packages where they are installed."""
        self._folder = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118  ends in a slash
        self._packages = _packages(Path(folder))

    def __call__(
        self,
        *operations: Operation,
        check: Callable[..., object] | None = None,
        setup: Callable[[], Any] | None = None,
        seeds: int = SEEDS,
        modules: Sequence[ModuleType] = (),
    ) -> None:
        """Run the operations at once, under `seeds` interleavings; `check` holds after each.

        `setup` makes fresh state, which every operation and `check` then get. `check` fails by
        raising or by returning False; an exception in an operation fails as well. `modules` are
        further ones to yield in: a library that the service doesn't own.
        """
        need_two(operations)
        prove()
        more = frozenset(str(module.__file__) for module in modules)
        known: dict[str, bool] = {}

        def traced(path: str) -> bool:
            if path not in known:
                known[path] = path in more or self._owns(path)
            return known[path]

        for seed in seeds_of(seeds):
            state = () if setup is None else (setup(),)
            errors = _interleaved([_bound(each, state) for each in operations], seed, traced)
            judge(seed, errors, check, state)

    def _owns(self, path: str) -> bool:
        # Not only the folder: a service that isn't installed editable runs from site-packages, and
        # a harness that never yields there would let every race pass.
        _, installed, inside = os.path.realpath(path).rpartition(f"{os.sep}site-packages{os.sep}")
        if installed:
            return inside.partition(os.sep)[0].removesuffix(".py") in self._packages
        return inside.startswith(self._folder)


def _packages(folder: Path) -> frozenset[str]:
    """Return what can be imported from a service's folder, by name."""
    places = [place for place in (folder, folder / "src") if place.is_dir()]
    return frozenset(
        each.stem for place in places for each in place.iterdir() if each.is_dir() or each.suffix == ".py"
    )


def need_two(operations: Sequence[object]) -> None:
    """Fail a test whose operations have nobody to race with."""
    if len(operations) < 2:  # noqa: PLR2004
        pytest.fail(
            "a race takes two operations or more\n  to fix it: name the operation twice, to race with itself",
            pytrace=False,
        )


def prove() -> None:
    """Find a planted lost update, once in each process; fail when the tracer doesn't work here."""
    if _Proof.done:
        return
    for seed in range(SEEDS):
        counter = _Proof()
        _interleaved([counter.add, counter.add], seed, lambda path: path == __file__)
        if counter.value != 2 * _Proof.TIMES:
            _Proof.done = True
            return
    pytest.fail(
        "noxlib_race can't interleave threads in this interpreter: it missed a planted lost update\n"
        "  to fix it: run without other tracers (debugger, coverage by settrace)",
        pytrace=False,
    )


class _Proof:
    TIMES = 5
    done = False

    def __init__(self) -> None:
        self.value = 0

    def add(self) -> None:
        for _ in range(self.TIMES):
            self.value += 1


def _bound(operation: Operation, state: tuple[Any, ...]) -> Callable[[], object]:
    return lambda: operation(*state)


def seeds_of(count: int) -> Sequence[int]:
    """Return the seeds to run: all, or the one that is replayed."""
    replayed = os.environ.get(REPLAY)
    if not replayed:
        return range(count)
    if not replayed.isdecimal():
        pytest.fail(f"{REPLAY}={replayed!r}: not a seed\n  to fix it: give the number", pytrace=False)
    return [int(replayed)]


def replay(seed: int) -> str:
    """Say how to run one seed again."""
    return f"seed {seed}; to replay: {REPLAY}={seed} in the service's env or types.race.env"


def judge(
    seed: int, errors: Sequence[BaseException], check: Callable[..., object] | None, state: tuple[Any, ...]
) -> None:
    """Fail the test, with the seed, for an operation's error or an invariant that doesn't hold."""
    for error in errors:
        lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        pytest.fail(f"an operation failed; {replay(seed)}\n{lines}", pytrace=False)
    if check is None:
        return
    try:
        held = check(*state)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  shown with the seed
        pytest.fail(f"the invariant doesn't hold: {error!r}; {replay(seed)}", pytrace=False)
    if held is False:
        pytest.fail(f"the invariant doesn't hold; {replay(seed)}", pytrace=False)


def _interleaved(
    operations: Sequence[Callable[[], object]], seed: int, traced: Traced
) -> list[BaseException]:
    """Run each operation in a thread of its own, and return what they raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(operations))

    def work(index: int, operation: Callable[[], object]) -> None:
        _random.choice = random.Random(f"{seed}/{index}").random  # noqa: S311  an interleaving
        try:
            barrier.wait(LIMIT_SECONDS)
            operation()
        except BaseException as error:  # noqa: BLE001  reported by the caller
            errors.append(error)
        finally:
            del _random.choice

    threads = [
        threading.Thread(target=work, args=(index, each), daemon=True)
        for index, each in enumerate(operations)
    ]
    with _yielding(traced):
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + LIMIT_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        stuck = [thread for thread in threads if thread.is_alive()]
    if stuck:
        pytest.fail(f"deadlock: not ended within {LIMIT_SECONDS:g} s; {replay(seed)}\n{_stacks(stuck)}")
    return errors


def _stacks(threads: Sequence[threading.Thread]) -> str:
    frames = sys._current_frames()  # noqa: SLF001  the documented way to other threads' stacks
    return "\n".join("".join(traceback.format_stack(frames[each.ident or 0])) for each in threads)


def _yield() -> None:
    """Let another thread run, more or less often, as this thread's own random numbers say."""
    choice = getattr(_random, "choice", None)
    if choice is not None:
        drawn = choice()
        if drawn < 0.1:  # noqa: PLR2004  long enough for the other to get several instructions done
            time.sleep(0.0001)
        elif drawn < 0.5:  # noqa: PLR2004
            time.sleep(0)


@contextlib.contextmanager
def _yielding(traced: Traced) -> Iterator[None]:
    with _monitoring(traced) if sys.version_info >= (3, 12) else _tracing(traced):
        yield


@contextlib.contextmanager
def _monitoring(traced: Traced) -> Iterator[None]:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]  # 3.12+

    def instruction(code: Any, _offset: int) -> object:
        if not traced(code.co_filename):
            return monitoring.DISABLE
        _yield()
        return None

    monitoring.use_tool_id(_TOOL, "noxlib_race")
    try:
        monitoring.register_callback(_TOOL, monitoring.events.INSTRUCTION, instruction)
        monitoring.set_events(_TOOL, monitoring.events.INSTRUCTION)
        monitoring.restart_events()
        yield
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.free_tool_id(_TOOL)


@contextlib.contextmanager
def _tracing(traced: Traced) -> Iterator[None]:
    def local(_frame: Any, event: str, _argument: Any) -> Any:
        if event == "opcode":
            _yield()
        return local

    def entered(frame: Any, _event: str, _argument: Any) -> Any:
        if not traced(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return local

    before = threading.gettrace() if hasattr(threading, "gettrace") else None
    threading.settrace(entered)
    try:
        yield
    finally:
        threading.settrace(before)
