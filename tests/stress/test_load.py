"""What many sessions do at once, with the machine to itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from noxlib import box, config
from noxlib.files import cache_folder
from noxlib.model import Evidence, Postgres, Record, SessionPlan, Verdict
from noxlib.records import State
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres import PostgresResource
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_user import server_credentials

SERVERS = 40


def record(number: int) -> Record:
    plan = SessionPlan(
        name="unit-a", service="a", type="unit", python="", tags=(), description="", exclusive=False
    )
    return Record(
        run_id=f"run-{number}",
        plan=plan,
        verdict=Verdict(passed=True, findings=()),
        evidence=Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1),
        fingerprint="f",
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        environment="e",
        python="3.12.1",
        counts={"passed": 1},
    )


def test_a_hundred_services_load_from_the_cache(noxlib_load: Any, tmp_path: Path) -> None:
    services = tmp_path / "services.toml"
    for number in range(100):
        (tmp_path / f"s{number}/src").mkdir(parents=True)
    text = "".join(f'[services.s{n}]\npath = "s{n}"\nsource = ["src"]\n' for n in range(100))
    services.write_text(text, encoding="utf-8")
    config.load(services, tmp_path / "cache")
    result = noxlib_load(lambda _user: config.load(services, tmp_path / "cache"), seconds=2.0)
    assert result.failures == 0
    assert result.iterations > 20


def test_no_run_is_lost_from_the_history(noxlib_load: Any, tmp_path: Path) -> None:
    state = State(folder=tmp_path, checkout="main")
    numbers = iter(range(10**9))
    result = noxlib_load(lambda _user: state.add_to_history(record(next(numbers))), users=8, seconds=2.0)
    assert result.failures == 0
    with sqlite3.connect(tmp_path / "history.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (result.iterations,)
    connection.close()


@pytest.fixture
def box_folder() -> Iterator[Path]:
    with box.entered(box.GUARDED, closed=True) as entered:
        yield entered.folder


def test_forty_servers_start_at_once_and_all_answer(box_folder: Path, tmp_path: Path) -> None:
    settings = Postgres()
    binaries = find_binaries(settings, "stress", cache_folder(), print)
    resources = [
        PostgresResource(
            PostgresOrder(
                owner=f"s{number}",
                settings=settings,
                binaries=binaries,
                folder=box_folder,
                cache=cache_folder(),
                private_network=False,
                credentials=server_credentials(),
                log=tmp_path / f"{number}.log",
                kept=tmp_path / "kept.tar",
                migration_key="",
                service_folder=tmp_path,
                environment={},
                reserve=box.free_port,
                event=lambda *_words, **_fields: None,
            )
        )
        for number in range(SERVERS)
    ]
    try:
        with ThreadPoolExecutor(8) as pool:
            leases = list(pool.map(lambda each: each.start(), resources))
            list(pool.map(lambda each: each.wait_healthy(20.0), resources))
        assert len({lease.address.port for lease in leases}) == SERVERS
    finally:
        for each in resources:
            each.stop()
    assert not list(box_folder.glob("pg*"))
