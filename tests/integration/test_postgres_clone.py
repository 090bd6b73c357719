"""Templates on disk: built once, whole, rebuilt when broken."""

from __future__ import annotations

import json
import os
import sys
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


def archive_in(cache: Path) -> Path:
    (found,) = (cache / "postgres").glob("*.tar")
    return found


def test_the_second_server_builds_nothing(started: Start, cache: Path, trail: Any) -> None:
    started(cache=cache)
    os.utime(archive_in(cache), (1, 1))
    started(cache=cache)
    assert trail.names().count("postgres.template") == 1
    assert archive_in(cache).stat().st_mtime > 1, "a use is noted, or it would be evicted"


def test_what_one_session_writes_another_doesnt_see(started: Start) -> None:
    started().ask("CREATE TABLE t (x int)")
    assert started().ask("SELECT to_regclass('t')") is None


@pytest.mark.parametrize("damage", ["empty", "cut", "no cluster"])
def test_a_broken_template_is_built_again(
    started: Start, cache: Path, trail: Any, damage: str, tmp_path: Path
) -> None:
    started(cache=cache)
    archive = archive_in(cache)
    if damage == "empty":
        archive.write_bytes(b"")
    elif damage == "cut":
        os.truncate(archive, 5_000_000)
    else:
        (tmp_path / "other").mkdir()
        postgres_archive.pack(tmp_path / "other", archive)
    assert started(cache=cache).ask("SELECT 1") == 1
    assert trail.names().count("postgres.template") == 2
    assert started(cache=cache).ask("SELECT 1") == 1
    assert trail.names().count("postgres.template") == 2


def test_a_template_that_unpacks_and_doesnt_boot_is_built_again(
    started: Start, cache: Path, trail: Any, box_folder: Path
) -> None:
    started(cache=cache)
    archive = archive_in(cache)
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
    assert trail.names().count("postgres.template") == 2


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
