"""stress: a locust file against the running service, or tests with the `noxlib_load` fixture.

Whatever makes the load, CPU, memory and connections of the servers are sampled from outside, and
load.json holds the figures that the thresholds judge.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from noxlib.errors import SuiteError
from noxlib.files import write_whole
from noxlib.model import Service
from noxlib.suites.suite import PYTEST, Suite, fill_all, pytest_command

TOOLS = PYTEST
LOCUST = "locust==2.47.0"
DEFAULT_FILE = "tests/stress/locustfile.py"
SAMPLE_SECONDS = 0.25


def wants_locust(service: Service, root: Path) -> bool:
    """Tell whether a service's stress type is a locust file rather than tests."""
    settings = service.types["stress"]
    folder = root / service.path / settings.cwd
    return not settings.command and (folder / (settings.locustfile or DEFAULT_FILE)).is_file()


def locustfile(suite: Suite) -> Path | None:
    """Return the service's locust file: as declared, or tests/stress/locustfile.py if there is one."""
    declared = suite.settings.locustfile
    path = suite.folder / (declared or DEFAULT_FILE)
    if declared and not path.is_file():
        raise SuiteError(f"services.{suite.service.name}.types.stress.locustfile: there is no {declared}")
    return path if path.is_file() else None


def command(suite: Suite) -> list[str]:
    """Return locust's command line, or pytest's where there is no locust file."""
    file = locustfile(suite)
    if file is None:
        return pytest_command(suite)
    process = next((lease for lease in reversed(suite.leases) if lease.kind == "process"), None)
    if process is None:
        raise SuiteError(
            f"{file.name}: services.{suite.service.name} has no process to put load on",
            remedy=f"add [services.{suite.service.name}.process], or use the noxlib_load fixture",
        )
    users = suite.settings.users
    return [
        suite.tools.get("locust", "locust"),
        f"--locustfile={file}",
        "--headless",
        "--only-summary",
        f"--host=http://{process.address.host}:{process.address.port}",
        f"--users={users}",
        f"--spawn-rate={suite.settings.spawn_rate or users}",
        f"--run-time={suite.settings.run_time:g}s",
        # The thresholds judge errors; locust's own exit code 1 for any would hide the figures.
        "--exit-code-on-error=0",
        f"--json-file={suite.run_folder / 'locust'}",
        *fill_all(suite, suite.settings.args),
        *suite.posargs,
    ]


@contextlib.contextmanager
def around(suite: Suite, pids: Callable[[], dict[str, int]]) -> Iterator[None]:
    """Sample the resources while the load runs, then write load.json."""
    stop = threading.Event()
    samples: dict[str, float] = {}
    sampler = threading.Thread(target=_sample, args=(pids, stop, samples), daemon=True)
    sampler.start()
    try:
        yield
    finally:
        stop.set()
        sampler.join(timeout=5)
        _write(suite, samples)


def _write(suite: Suite, samples: Mapping[str, float]) -> None:
    target = suite.run_folder / "load.json"
    report = suite.run_folder / "locust.json"
    if report.is_file():
        load = summarize(json.loads(report.read_text(encoding="utf-8")))
    elif target.is_file():
        load = json.loads(target.read_text(encoding="utf-8"))
    else:
        return
    write_whole(target, json.dumps({**load, "samples": {**load.get("samples", {}), **samples}}, indent=2))


def summarize(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Turn locust's --json-file (one entry per request name, with a histogram) into load.json."""
    histogram: dict[float, int] = {}
    for entry in entries:
        for time, count in entry["response_times"].items():
            histogram[float(time)] = histogram.get(float(time), 0) + count
    requests = sum(entry["num_requests"] for entry in entries)
    begun = min((entry["start_time"] for entry in entries), default=0.0)
    ended = max((entry["last_request_timestamp"] or begun for entry in entries), default=0.0)
    return {
        "source": "locust",
        "requests": requests,
        "failures": sum(entry["num_failures"] for entry in entries),
        "iterations": 0,
        "seconds": ended - begun,
        "response_times_ms": {
            "p50": percentile(histogram, 0.50),
            "p95": percentile(histogram, 0.95),
            "p99": percentile(histogram, 0.99),
            "max": max((entry["max_response_time"] for entry in entries), default=0.0),
        },
        "errors": [
            {"name": f"{entry['method']} {entry['name']}", "count": entry["num_failures"]}
            for entry in entries
            if entry["num_failures"]
        ],
    }


def percentile(histogram: Mapping[float, int], share: float) -> float:
    """Return the smallest time that `share` of all requests didn't exceed; 0 when there are none."""
    wanted = share * sum(histogram.values())
    seen = 0
    for time in sorted(histogram):
        seen += histogram[time]
        if seen >= wanted:
            return time
    return 0.0


def _sample(pids: Callable[[], dict[str, int]], stop: threading.Event, samples: dict[str, float]) -> None:
    """Keep the highest CPU share, memory and connection count of all resources together."""
    import psutil  # noqa: PLC0415  only stress pays for it

    known: dict[int, psutil.Process] = {}
    while not stop.wait(SAMPLE_SECONDS):
        cpu = memory = connections = 0.0
        for name, pid in pids().items():
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                for process in (root, *root.children(recursive=True)):
                    each = known.setdefault(process.pid, process)
                    cpu += each.cpu_percent()
                    memory += each.memory_info().rss
                if "postgres" in name:
                    connections += sum("postgres: " in " ".join(c.cmdline()) for c in root.children())
        for key, value in (
            ("cpu_percent_max", cpu),
            ("memory_mb_max", memory / 1024**2),
            ("connections_max", connections),
        ):
            samples[key] = round(max(samples.get(key, 0.0), value), 1)
