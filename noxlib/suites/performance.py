"""performance: pytest-benchmark's functions alone on the machine, judged by ceilings."""

from __future__ import annotations

from noxlib.suites.suite import PYTEST, Suite

TOOLS = (*PYTEST, "pytest-benchmark>=5")


def arguments(suite: Suite) -> list[str]:
    """Return benchmarks only, with their figures as evidence.

    xdist is switched off, where the project's addopts bring it: under it pytest-benchmark
    measures nothing and says so only in a warning.
    """
    return [
        "--benchmark-only",
        f"--benchmark-json={suite.run_folder / 'benchmark.json'}",
        "--benchmark-disable-gc",
        *(["-p", "no:xdist"] if "-n" not in suite.settings.args else []),
    ]
