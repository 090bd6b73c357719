"""Templates on disk: built once, whole, rebuilt when broken."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxlib import launch
from noxlib.errors import ResourceError
from noxlib.resources import postgres_archive
from noxlib.resources.postgres import PostgresOrder, PostgresResource

Start = Callable[..., Any]  # a Running, see conftest.py
Order = Callable[..., PostgresOrder]


@pytest.fixture
def cache(box_folder: Path) -> Path:
    return box_folder / "cache"


def archives(cache: Path, trail: Any) -> dict[str, Path]:
    """The templates by layer: cluster, and migrated, which is made of it."""
    return {layer: cache / "postgres" / f"{key}.tar" for layer, key in built(trail)}


def built(trail: Any) -> list[tuple[str, str]]:
    return [(facts["layer"], facts["key"]) for name, facts in trail if name == "postgres.template"]


def test_the_second_server_builds_nothing(started: Start, cache: Path, trail: Any) -> None:
    started(cache=cache)
    found = archives(cache, trail)
    assert list(found) == ["cluster", "migrated"]
    os.utime(found["migrated"], (1, 1))
    started(cache=cache)
    assert len(built(trail)) == 2
    assert found["migrated"].stat().st_mtime > 1, "a use is noted, or it would be evicted"


def test_a_migration_runs_once_for_all_sessions(started: Start, cache: Path, trail: Any) -> None:
    migrate = ("psql", "-qc", "create table t as select 1 as x; alter database test set work_mem = '5MB'")
    key = {"migrate": migrate, "cache": cache, "migration_key": "one"}
    servers = [started(**key), started(**key)]
    assert [each.ask("SELECT x FROM t") for each in servers] == [1, 1]
    assert [each.ask("SHOW work_mem") for each in servers] == ["5MB", "5MB"]
    assert trail.names().count("postgres.migrate") == 1
    assert started(**{**key, "migration_key": "two"}).ask("SELECT x FROM t") == 1
    assert trail.names().count("postgres.migrate") == 2


def test_a_migration_that_fails_is_run_again_next_time(
    postgres_order: Order, cache: Path, trail: Any, tmp_path: Path
) -> None:
    failing = {"migrate": ("sh", "-c", f"test -e {tmp_path}/mended"), "cache": cache, "migration_key": "one"}
    for _ in range(2):
        with pytest.raises(ResourceError, match="exit code 1"):
            PostgresResource(postgres_order(**failing)).start()
    (tmp_path / "mended").touch()
    resource = PostgresResource(postgres_order(**failing))
    resource.start()
    resource.stop()
    assert [layer for layer, _ in built(trail)] == ["cluster", "migrated"]


def test_what_one_session_writes_another_doesnt_see(started: Start) -> None:
    started().ask("CREATE TABLE t (x int)")
    assert started().ask("SELECT to_regclass('t')") is None


@pytest.mark.parametrize("layers", [["migrated"], ["cluster", "migrated"]], ids="+".join)
@pytest.mark.parametrize("damage", ["empty", "cut", "no cluster"])
def test_a_broken_template_is_built_again(
    started: Start, cache: Path, trail: Any, damage: str, layers: list[str]
) -> None:
    started(cache=cache)
    for archive in (archives(cache, trail)[layer] for layer in layers):
        if damage == "empty":
            archive.write_bytes(b"")
        elif damage == "cut":
            os.truncate(archive, 5_000_000)
        else:
            tarfile.open(archive, "w").close()
    trail.clear()
    assert started(cache=cache).ask("SELECT 1") == 1
    assert [layer for layer, _ in built(trail)] == layers
    trail.clear()
    assert started(cache=cache).ask("SELECT 1") == 1
    assert built(trail) == []


def test_a_template_holds_the_wal_of_its_last_checkpoint_alone(
    started: Start, cache: Path, trail: Any
) -> None:
    server = started(
        cache=cache, migrate=("psql", "-qc", "CREATE TABLE t AS SELECT generate_series(1, 99999)")
    )
    for archive in archives(cache, trail).values():
        with tarfile.open(archive) as tar:
            assert 1 <= len([name for name in tar.getnames() if name.startswith("./pg_wal/0")]) <= 2
    server.ask("INSERT INTO t SELECT generate_series(1, 99999)")
    server.resource.kill()
    server.resource.restart()
    assert server.ask("SELECT count(*) FROM t") == 2 * 99999


def test_a_template_that_unpacks_and_doesnt_boot_is_built_again(
    started: Start, cache: Path, trail: Any, box_folder: Path
) -> None:
    started(cache=cache)
    archive = archives(cache, trail)["migrated"]
    data = box_folder / "unpacked"
    data.mkdir()
    postgres_archive.unpack(archive, data, None)
    (data / "global" / "pg_control").write_bytes(bytes(8192))
    postgres_archive.pack(data, archive)
    assert started(cache=cache).ask("SELECT 1") == 1
    assert "postgres.template.broken" in trail.names()


def test_a_template_that_never_boots_is_built_twice_and_then_given_up(
    postgres_order: Order, cache: Path, monkeypatch: pytest.MonkeyPatch, trail: Any
) -> None:
    def unpack(*_: object) -> None:
        raise postgres_archive.BrokenArchiveError("still broken")

    monkeypatch.setattr(postgres_archive, "unpack", unpack)
    with pytest.raises(ResourceError, match="still broken"):
        PostgresResource(postgres_order(cache=cache)).start()
    assert len(built(trail)) == 2


def test_two_processes_that_need_the_same_template_build_it_once(cache: Path, postgres_order: Order) -> None:
    order = postgres_order()
    script = f"""
import json, sys
from pathlib import Path
from noxlib.model import Binaries, Postgres
from noxlib.resources.postgres import server_credentials
from noxlib.resources.postgres_template import TemplateOrder, template
names = []
binaries = Binaries(bin_dir={order.binaries.bin_dir!r}, version={order.binaries.version!r}, origin="system")
order = TemplateOrder(place="p", settings=Postgres(), binaries=binaries, cache=Path({str(cache)!r}),
    folder=Path({str(cache.parent)!r}), credentials=server_credentials(), log=Path(sys.argv[1]))
template(order, lambda name, **_: names.append(name))
print(json.dumps(names))
"""
    logs = [cache.parent / "log1", cache.parent / "log2"]
    said: list[bytearray] = [bytearray(), bytearray()]
    root = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    children = [
        launch.start(
            [sys.executable, "-c", script, str(log)],
            launch.Setting(sink=heard.extend, env={**os.environ, "PYTHONPATH": root}),
        )
        for log, heard in zip(logs, said, strict=True)
    ]
    assert [child.wait(60) for child in children] == [0, 0], said
    built = sorted(json.loads(heard.decode().splitlines()[-1]) for heard in said)
    assert built == [[], ["postgres.template"]]
    assert {path.suffix for path in (cache / "postgres").iterdir()} == {".tar", ".lock"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"init_sql": ("SELECT 1", "SELECT 1;\nSELEC 2")},
            r"\.init_sql\[1\]: line 2: .*syntax error",
        ),
        ({"extensions": ("no_such",)}, r'postgres\.extensions: .*extension "no_such" is not available'),
    ],
)
def test_a_template_that_cant_be_built_says_why_and_leaves_nothing(
    postgres_order: Order, cache: Path, box_folder: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResourceError, match=message):
        PostgresResource(postgres_order(cache=cache, **settings)).start()
    assert {path.suffix for path in (cache / "postgres").iterdir()} == {".lock"}
    assert [path.name for path in box_folder.iterdir()] == ["cache"]


def test_a_cache_that_is_full_is_an_error_with_tars_words(
    postgres_order: Order, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = postgres_archive.pack
    monkeypatch.setattr(postgres_archive, "pack", lambda data, _: real(data, Path("/dev/full")))
    with pytest.raises(ResourceError, match="No space left on device") as caught:
        PostgresResource(postgres_order(cache=cache)).start()
    assert "NOXLIB_CACHE" in caught.value.remedy


def test_an_archive_that_has_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(postgres_archive.BrokenArchiveError, match="has gone"):
        postgres_archive.unpack(tmp_path / "x.tar", tmp_path, None)
