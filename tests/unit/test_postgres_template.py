from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxlib.model import Binaries, Postgres
from noxlib.resources import postgres_template
from noxlib.resources.postgres_template import TemplateOrder, discard, template

DAY = 24 * 3600


@pytest.fixture
def order(tmp_path: Path) -> TemplateOrder:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "postgres").write_text("one")
    return TemplateOrder(
        place="services.toml: services.a.postgres",
        settings=Postgres(),
        binaries=Binaries(bin_dir=str(tmp_path / "bin"), version="15.1", origin="system"),
        cache=tmp_path / "cache",
        folder=tmp_path,
        credentials=None,
        log=tmp_path / "log",
    )


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Fake the building; return what was built."""
    found: list[Path] = []

    def build(_: TemplateOrder, archive: Path) -> None:
        archive.write_bytes(b"x" * 100)
        found.append(archive)

    monkeypatch.setattr(postgres_template, "_build", build)
    return found


def unheard(_: str, **__: Any) -> None:
    pass


def aged(order: TemplateOrder, name: str, days: float, size: int = 100) -> Path:
    path = order.archive.with_name(f"{name}.tar")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"locale": "C.UTF-8"},
        {"database": "other"},
        {"role": "app"},
        {"extensions": ("hstore",)},
        {"init_sql": ("SELECT 1",)},
        {"settings": {"max_connections": "5"}},
    ],
)
def test_each_setting_that_a_template_holds_changes_its_key(
    order: TemplateOrder, change: dict[str, Any]
) -> None:
    assert replace(order, settings=replace(order.settings, **change)).key != order.key


def test_what_a_template_doesnt_hold_leaves_its_key_alone(order: TemplateOrder) -> None:
    settings = replace(order.settings, name="postgres.b", seed=("*.sql",), port=1, env={"A": "b"})
    assert replace(order, settings=settings, place="p", log=Path("l")).key == order.key


def test_other_binaries_at_the_same_place_change_the_key(order: TemplateOrder, tmp_path: Path) -> None:
    before = order.key
    (tmp_path / "bin" / "postgres").write_text("other")
    assert order.key != before


def test_a_template_is_built_when_there_is_none(order: TemplateOrder, built: list[Path]) -> None:
    assert template(order, unheard) == order.archive
    assert template(order, unheard) == order.archive
    assert built == [order.archive]


def test_a_template_that_was_built_again_is_not_discarded(order: TemplateOrder, built: list[Path]) -> None:
    archive = template(order, unheard)
    broken = archive.stat()
    other = archive.with_suffix(".aside")
    other.write_bytes(b"rebuilt by a neighbour")
    other.replace(archive)
    discard(archive, broken)
    assert archive.exists()
    discard(archive, archive.stat())
    assert not archive.exists()
    discard(archive, broken)
    assert built == [archive]


def test_templates_that_nobody_used_for_a_month_go(order: TemplateOrder, built: list[Path]) -> None:
    old, young = aged(order, "old", 31), aged(order, "young", 29)
    assert template(order, unheard).exists()
    assert (old.exists(), young.exists()) == (False, True)
    assert len(built) == 1


def test_those_used_longest_ago_go_when_there_are_too_many(
    order: TemplateOrder, built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_template, "KEPT_BYTES", 350)
    ages = {days: aged(order, f"t{days}", days) for days in (4, 1, 3, 2)}
    template(order, unheard)
    assert {days for days, path in ages.items() if path.exists()} == {1, 2}
    assert built[0].exists()


def test_a_template_larger_than_the_limit_is_kept_while_it_is_in_use(
    order: TemplateOrder, built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_template, "KEPT_BYTES", 10)
    assert template(order, unheard).exists()
    assert len(built) == 1


def test_a_cache_that_is_read_only_to_us_still_serves(
    order: TemplateOrder, built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    template(order, unheard)

    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert template(order, unheard).exists()
    assert len(built) == 1


def test_a_template_evicted_by_a_neighbour_meanwhile_is_no_error(
    order: TemplateOrder, built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = aged(order, "gone", 40)
    found = sorted(gone.parent.glob("*.tar"))
    gone.unlink()
    monkeypatch.setattr(Path, "glob", lambda *_: iter(found))
    assert template(order, unheard).exists()
    assert len(built) == 1
