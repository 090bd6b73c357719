"""Databases: fresh ones beside pytest-postgresql's, whole sessions beside testing.postgresql's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import servers
from conftest import WRITE, Table, few

from noxlib.model import Postgres

FRESH = "a fresh migrated database of {mb:g} MB: set-up, connection, a write, tear-down ({how})"
TARGETS = {"clone": ("<= 12 ms, >= 5", ">= 40/s, >= 3"), "reset": ("<= 8 ms, >= 8", ">= 70/s")}
SESSIONS = 40


@pytest.fixture(scope="module", params=["clone", "reset"])
def bench(request: pytest.FixtureRequest) -> Iterator[tuple[str, servers.Bench]]:
    with servers.bench(10, request.param) as made:
        yield request.param, made


def test_a_fresh_database(benchmark: Any, table: Table, bench: tuple[str, servers.Bench]) -> None:
    how, on = bench
    what = f"{FRESH.format(mb=10, how=how)}, against pytest-postgresql's on the same server"
    found = table.pair(what, on.ours, on.peer, rounds=25, target=TARGETS[how][0], faster=True)
    benchmark.extra_info["ratio"] = found[2]
    benchmark.pedantic(on.ours, args=(0.0,), rounds=5)


def test_flat_out(benchmark: Any, table: Table, bench: tuple[str, servers.Bench]) -> None:
    how, on = bench
    what = f"fresh databases of 10 MB, two workers, nothing else ({how})"
    seconds = few(10) / 4
    pairs = [(on.flat_out("ours", seconds), on.flat_out("peer", seconds)) for _ in range(few(3))]
    benchmark.extra_info["ratio"] = table.row(what, pairs, unit="/s", target=TARGETS[how][1], faster=False)
    benchmark.pedantic(on.flat_out, args=("ours", 1.0), rounds=1)


def test_the_cost_of_a_test_after_many(
    benchmark: Any, table: Table, bench: tuple[str, servers.Bench]
) -> None:
    how, on = bench
    count = few(40)
    early = [on.ours() for _ in range(count)]
    for _ in range(10 * count):
        on.ours(0.0)
    time.sleep(1.0)  # until what they left is dropped
    late = [on.ours() for _ in range(count)]
    what = f"a fresh database after {10 * count} others ({how}), against the first ones"
    benchmark.extra_info["ratio"] = table.row(
        what, list(zip(late, early, strict=True)), unit="ms", target="constant", faster=False
    )
    benchmark.pedantic(on.ours, args=(0.0,), rounds=5)


@pytest.mark.parametrize("megabytes", [50, 200] if WRITE else [50])
def test_a_bigger_template(benchmark: Any, table: Table, megabytes: float) -> None:
    with servers.bench(megabytes) as big, servers.bench(0) as small:
        found = table.pair(
            f"cloning a template of {megabytes:g} MB, against one of {servers.EMPTY_MB:g} MB",
            big.clone,
            small.clone,
            rounds=7,
            target=f"<= {megabytes / servers.EMPTY_MB:.1f}",
        )
        benchmark.extra_info["ratio"] = found[2]
        benchmark.pedantic(big.clone, rounds=2)


@pytest.mark.parametrize("migrations", [1, 200])
def test_a_session(benchmark: Any, table: Table, migrations: int) -> None:
    each = "CREATE TABLE m{n} (id serial PRIMARY KEY, name text);"
    files = [word for n in range(migrations) for word in ("-c", each.format(n=n))]
    settings = Postgres(migrate=("psql", "-q", *files))
    with servers.memory_folder() as folder:

        def ours() -> tuple[float, float]:
            return servers.timed(servers.server(folder, settings, 25432))

        ours()
        pairs = [(ours(), servers.peers_server(folder, "default")) for _ in range(few(7))]
        benchmark.pedantic(ours, rounds=2)
    what = f"a server with {migrations} migrations applied, {{}}, against testing.postgresql's, empty"
    for end, target in enumerate((">= 5", "<= 60 ms")):
        found = table.row(
            what.format("stopped" if end else "ready"),
            [(one[end], two[end]) for one, two in pairs],
            target=target,
            faster=True,
        )
        benchmark.extra_info["stopped" if end else "ready"] = found[2]


def test_forty_sessions_at_once(benchmark: Any, table: Table) -> None:
    with servers.memory_folder() as folder:
        servers.timed(servers.server(folder, servers.migrated(0), 25432))  # the templates are made
        seconds, megabytes = benchmark.pedantic(servers.at_once, args=(folder, SESSIONS), rounds=1)
    what = f"{SESSIONS} sessions' servers, 20 tables each, started at once"
    table.note(f"{what}: all ready", f"{seconds:.1f} s", "<= 10 s")
    table.note(f"{what}: memory and tmpfs of each", f"{megabytes:.1f} MB", "<= 55 MB")
