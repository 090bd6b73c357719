"""thresholds: the limits of stress and the ceilings of performance, judged from their figures."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from noxlib.gates.case import Case, read_json
from noxlib.gates.narrowing import narrowed
from noxlib.model import Finding

MILLISECONDS = 1000.0
TIMES = ("p50", "p95", "p99", "max")  # seconds; said in milliseconds
AT_LEAST = ("min_requests", "min_iterations", "requests_per_second")
ERRORS_NAMED = 5

Judged = tuple[list[str], str]  # faults, and the summary where there is none


def applies(case: Case) -> bool:
    """Judge the types that have limits."""
    return case.plan.type in {"stress", "performance"}


def judge(case: Case) -> Finding:
    """Return every limit that was broken, with the figure."""
    faults, judged = _stress(case) if case.plan.type == "stress" else _performance(case)
    if faults:
        return Finding(gate="thresholds", passed=False, summary=faults[0], details=tuple(faults[1:]))
    return Finding(gate="thresholds", passed=True, summary=judged)


# --- stress ---------------------------------------------------------------------------------


def _stress(case: Case) -> Judged:
    load = read_json(case.folder / "load.json")
    if not isinstance(load, dict):
        advice = "put load on the service: a locust file, or a test with the noxlib_load fixture"
        return ["the load left no figures (load.json)", advice], ""
    if not load.get("requests") and not load.get("iterations"):
        return ["the load made no request and no iteration: there is nothing to judge"], ""
    figures = stress_figures(load)
    # A load whose requests fail proves nothing, so no error is the rule where none is given.
    limits = {"error_ratio": 0.0, **case.settings.thresholds}
    judged = (_broken(name, figures.get(name), limit) for name, limit in limits.items())
    faults = [each for each in judged if each]
    if faults:
        remedy = [f"see what is slow, or change {case.place}.thresholds"]
        errors = [f"{each['count']} x {each['name']}" for each in load.get("errors", ())[:ERRORS_NAMED]]
        return [*faults, *errors, *remedy], ""
    return [], (
        f"p50 {_milliseconds(figures, 'p50')}, p95 {_milliseconds(figures, 'p95')},"
        f" errors {figures['error_ratio']:.2%}"
    )


def stress_figures(load: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures that thresholds name, times in seconds; what wasn't measured is missing."""
    requests, iterations = load.get("requests", 0), load.get("iterations", 0)
    times, samples = load.get("response_times_ms", {}), load.get("samples", {})
    seconds = load.get("seconds", 0.0)
    found = {
        **{name: value / MILLISECONDS for name, value in times.items()},
        "error_ratio": load.get("failures", 0) / ((requests + iterations) or 1),
        "min_requests": requests,
        "min_iterations": iterations,
        "requests_per_second": requests / seconds if seconds else None,
        "cpu_percent": samples.get("cpu_percent_max"),
        "memory_mb": samples.get("memory_mb_max"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _broken(name: str, figure: float | None, limit: float) -> str:
    if figure is None:
        return f"{name} was not measured, so its limit can't be judged"
    low = name in AT_LEAST
    # Asked this way round, a figure that isn't a number is out of bounds, too.
    if (figure >= limit) if low else (figure <= limit):
        return ""
    scale, unit = (MILLISECONDS, " ms") if name in TIMES else (1, "")
    shown, most = f"{figure * scale:.4g}{unit}", f"{limit * scale:g}{unit}"
    return f"{name} is {shown}, the limit is {'at least' if low else 'at most'} {most}"


def _milliseconds(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name] * MILLISECONDS:.4g} ms" if name in figures else "not measured"


# --- performance ----------------------------------------------------------------------------


def _performance(case: Case) -> Judged:
    data = read_json(case.folder / "benchmark.json")
    benchmarks = data.get("benchmarks", []) if isinstance(data, dict) else []
    if not benchmarks:
        return ["no benchmark ran: a performance test uses the `benchmark` fixture"], ""
    faults = []
    for pattern, ceilings in case.settings.thresholds.items():
        matching = [each for each in benchmarks if _matches(each["name"], pattern)]
        if not matching and not narrowed(case):
            names = ", ".join(each["name"] for each in benchmarks)
            faults.append(f'{case.place}.thresholds: "{pattern}" matches no benchmark; there are: {names}')
        faults += [fault for each in matching for fault in _above(each, ceilings)]
    return faults, f"{len(benchmarks)} benchmarks within their ceilings"


def _matches(name: str, pattern: str) -> bool:
    # Square brackets are a parameter's in a test's name, not a set of characters.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _above(benchmark: Mapping[str, Any], ceilings: Mapping[str, float]) -> list[str]:
    stats = benchmark["stats"]
    return [
        f"{benchmark['name']}: {name} {stats.get(name, float('nan')) * MILLISECONDS:.3g} ms, "
        f"the ceiling is {ceiling * MILLISECONDS:g} ms"
        for name, ceiling in ceilings.items()
        if not stats.get(name, float("nan")) <= ceiling
    ]
