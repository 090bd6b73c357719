"""`noxlib_load`: stress for code without HTTP."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from noxlib.model import SessionFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What the load came to. Times in milliseconds."""

    iterations: int
    failures: int
    seconds: float
    p50: float
    p95: float
    p99: float
    max: float
    errors: dict[str, int]

    @property
    def rate(self) -> float:
        """Iterations a second."""
        return self.iterations / self.seconds if self.seconds else 0.0


class Load:
    """Run an operation by many users for a while; load.json holds the figures of all calls."""

    def __init__(self, session: SessionFile) -> None:
        """Take users and run time from the session's settings."""
        self._settings = session.settings
        self._target = Path(session.run_folder) / "load.json"
        self._times: list[float] = []
        self._errors: Counter[str] = Counter()
        self._seconds = 0.0

    def __call__(
        self, operation: Callable[[int], object], *, users: int | None = None, seconds: float | None = None
    ) -> LoadResult:
        """Call `operation(user)` over and over, each user in a thread; an exception is a failure."""
        count = users or self._settings.users
        limit = self._settings.run_time if seconds is None else seconds
        times: list[list[float]] = [[] for _ in range(count)]
        errors: list[Counter[str]] = [Counter() for _ in range(count)]
        begun = time.perf_counter()
        until = begun + limit

        def work(user: int) -> None:
            while (before := time.perf_counter()) < until:
                try:
                    operation(user)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  counted by its type
                    errors[user][type(error).__name__] += 1
                times[user].append(time.perf_counter() - before)

        threads = [threading.Thread(target=work, args=(user,), daemon=True) for user in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - begun
        mine = [each for user in times for each in user]
        failed = sum(errors, Counter())
        self._times += mine
        self._errors += failed
        self._seconds += elapsed
        self._write()
        return _result(mine, failed, elapsed)

    def _write(self) -> None:
        result = _result(self._times, self._errors, self._seconds)
        data = {
            "source": "noxlib_load",
            "requests": 0,
            "failures": result.failures,
            "iterations": result.iterations,
            "seconds": result.seconds,
            "response_times_ms": {
                "p50": result.p50,
                "p95": result.p95,
                "p99": result.p99,
                "max": result.max,
            },
            "errors": [{"name": name, "count": count} for name, count in result.errors.items()],
            "samples": {},
        }
        aside = self._target.with_name(f".load-{os.getpid()}.json")
        aside.write_text(json.dumps(data, indent=2), encoding="utf-8")
        aside.replace(self._target)


def _result(times: list[float], errors: Counter[str], seconds: float) -> LoadResult:
    ordered = sorted(each * 1000.0 for each in times)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0

    return LoadResult(
        iterations=len(ordered),
        failures=sum(errors.values()),
        seconds=seconds,
        p50=at(0.50),
        p95=at(0.95),
        p99=at(0.99),
        max=at(1.0),
        errors=dict(errors),
    )
