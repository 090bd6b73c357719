"""thresholds: the limits of stress and the ceilings of performance, judged from their figures."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from noxlib.gates.case import Case, read_json
from noxlib.model import Finding

MILLISECONDS = 1000.0
AT_LEAST = ("min_requests", "min_iterations", "requests_per_second")


def applies(case: Case) -> bool:
    """Judge what ended by itself, of the types that have limits."""
    undisturbed = not case.evidence.error and not case.evidence.interrupted
    return undisturbed and case.plan.type in {"stress", "performance"}


def judge(case: Case) -> Finding:
    """Return every limit that was broken, with the figure."""
    faults, judged = _stress(case) if case.plan.type == "stress" else _performance(case)
    if faults:
        return Finding(gate="thresholds", passed=False, summary=faults[0], details=tuple(faults[1:]))
    return Finding(gate="thresholds", passed=True, summary=judged)


def _stress(case: Case) -> tuple[list[str], str]:
    load = read_json(case.folder / "load.json")
    if load is None:
        return ["the load left no figures (load.json)"], ""
    figures = stress_figures(load)
    # A load whose requests fail proves nothing, so no error is the rule where none is given.
    limits = {"error_ratio": 0.0, **case.settings.thresholds}
    faults = [fault for name, limit in limits.items() if (fault := _broken(name, figures[name], limit))]
    if faults and figures["error_ratio"]:
        faults += [f"{each['count']} x {each['name']}" for each in load["errors"][:5]]
    times = load["response_times_ms"]
    return faults, f"p50 {times['p50']:g} ms, p95 {times['p95']:g} ms, errors {figures['error_ratio']:.2%}"


def stress_figures(load: dict[str, Any]) -> dict[str, float]:
    """Return the figures that thresholds name, times in seconds."""
    done = load["requests"] + load["iterations"]
    samples = load.get("samples", {})
    times = load["response_times_ms"]
    return {
        **{name: times[name] / MILLISECONDS for name in ("p50", "p95", "p99", "max")},
        "error_ratio": load["failures"] / done if done else 1.0,
        "min_requests": load["requests"],
        "min_iterations": load["iterations"],
        "requests_per_second": load["requests"] / load["seconds"] if load["seconds"] else 0.0,
        "cpu_percent": samples.get("cpu_percent_max", 0.0),
        "memory_mb": samples.get("memory_mb_max", 0.0),
    }


def _broken(name: str, figure: float, limit: float) -> str:
    low = name in AT_LEAST
    if (figure < limit) if low else (figure > limit):
        return f"{name} is {figure:.4g}, the limit is {'at least' if low else 'at most'} {limit:g}"
    return ""


def _performance(case: Case) -> tuple[list[str], str]:
    data = read_json(case.folder / "benchmark.json")
    benchmarks = (data or {}).get("benchmarks", [])
    if not benchmarks:
        return ["no benchmark ran: a performance test uses the `benchmark` fixture"], ""
    faults = []
    for pattern, ceilings in case.settings.thresholds.items():
        matching = [each for each in benchmarks if fnmatchcase(each["name"], pattern.replace("[", "[[]"))]
        if not matching:
            names = ", ".join(each["name"] for each in benchmarks)
            faults.append(f'{case.place}.thresholds: "{pattern}" matches no benchmark; there are: {names}')
        for each in matching:
            for statistic, ceiling in ceilings.items():
                figure = each["stats"][statistic]
                if figure > ceiling:
                    faults.append(f"{each['name']}: {statistic} {figure:.3g} s, the ceiling is {ceiling:g} s")
    return faults, f"{len(benchmarks)} benchmarks within their ceilings"
