from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noxlib.environment import store
from noxlib.errors import EnvironmentBuildError
from noxlib.model import BuiltEnvironment


@pytest.fixture
def place(tmp_path: Path) -> store.Place:
    return store.Place(store=tmp_path, kind="envs", name="alpha-3.12", key="0123456789abcdef")


def builder(place: store.Place, calls: list[str] | None = None) -> Callable[[int], BuiltEnvironment]:
    def build(held: int) -> BuiltEnvironment:
        os.fstat(held)
        if calls is not None:
            calls.append("built")
        python = place.folder / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
        return BuiltEnvironment(
            path=str(place.folder),
            python=str(python),
            version="3.12.1",
            key=place.key,
            tool="uv",
            packages={"a": "1"},
        )

    return build


def make(
    place: store.Place, build: Callable[[int], BuiltEnvironment], *, again: bool = False
) -> BuiltEnvironment:
    return store.make(place, build, again=again, waiting=lambda: None)


def test_what_was_made_is_found(place: store.Place) -> None:
    made = make(place, builder(place))
    assert store.find(place) == made
    assert made.packages == {"a": "1"}


def test_a_folder_without_a_stamp_does_not_exist_and_is_wiped(place: store.Place) -> None:
    place.folder.mkdir(parents=True)
    (place.folder / "half").touch()
    assert store.find(place) is None
    make(place, builder(place))
    assert not (place.folder / "half").exists()


def test_the_second_builder_finds_it_built_unless_told_to_build_again(place: store.Place) -> None:
    calls: list[str] = []
    for again in (False, False, True):
        make(place, builder(place, calls), again=again)
    assert calls == ["built", "built"]


def test_a_store_that_is_reached_by_a_link_is_the_same(place: store.Place, tmp_path: Path) -> None:
    made = make(place, builder(place))
    (tmp_path / "link").symlink_to(place.store, target_is_directory=True)
    linked = store.Place(store=tmp_path / "link", kind="envs", name=place.name, key=place.key)
    assert store.find(linked) == made


@pytest.mark.parametrize("damage", ["moved", "no interpreter", "broken stamp"])
def test_a_damaged_environment_does_not_exist(place: store.Place, tmp_path: Path, damage: str) -> None:
    made = make(place, builder(place))
    if damage == "moved":
        place.folder.parent.parent.joinpath("envs").rename(tmp_path / "elsewhere")
        (tmp_path / "other" / "envs").parent.mkdir()
        (tmp_path / "elsewhere").rename(tmp_path / "other" / "envs")
        place = store.Place(store=tmp_path / "other", kind="envs", name=place.name, key=place.key)
    elif damage == "no interpreter":
        Path(made.python).unlink()
    else:
        (place.folder / store.STAMP).write_text("{", encoding="utf-8")
    assert store.find(place) is None


def test_a_failure_leaves_no_folder(place: store.Place) -> None:
    def fail(_: int) -> BuiltEnvironment:
        place.folder.mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(place, fail)
    assert not place.folder.exists()


def test_a_full_disk_is_an_error_with_a_remedy(place: store.Place) -> None:
    def fail(_: int) -> BuiltEnvironment:
        place.folder.mkdir()
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentBuildError, match="No space left on device\n  to fix it: free some space"):
        make(place, fail)
    assert not place.folder.exists()


def test_environments_of_the_same_name_unused_for_a_fortnight_are_pruned(place: store.Place) -> None:
    old, recent, half, other = (
        store.Place(store=place.store, kind="envs", name=name, key=letter * 12)
        for name, letter in (
            ("alpha-3.12", "1"),
            ("alpha-3.12", "2"),
            ("alpha-3.12", "3"),
            ("alpha-3.1", "4"),
        )
    )
    for item in (old, recent, other):
        make(item, builder(item))
    half.folder.mkdir()
    long_ago = time.time() - store.UNUSED_SECONDS - 60
    for path in (old.folder / store.STAMP, other.folder / store.STAMP, half.folder):
        os.utime(path, (long_ago, long_ago))
    make(place, builder(place))
    assert [item.folder.exists() for item in (old, recent, half, other)] == [False, True, False, True]


def test_use_keeps_an_environment_young(place: store.Place) -> None:
    make(place, builder(place))
    stamp = place.folder / store.STAMP
    os.utime(stamp, (1, 1))
    store.find(place)
    assert time.time() - stamp.stat().st_mtime < 60
