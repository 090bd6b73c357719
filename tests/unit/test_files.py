from __future__ import annotations

import os
import resource
import stat
import threading
from pathlib import Path

import pytest

from noxlib.errors import RecordError
from noxlib.files import cache_folder, locked, write_whole


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_is_written_with_its_folders_and_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "c.json", "ü", mode=0o600)

    assert (tmp_path / "a" / "b" / "c.json").read_bytes() == "ü".encode()
    assert stat.S_IMODE((tmp_path / "a" / "b" / "c.json").stat().st_mode) == 0o600
    assert _names(tmp_path / "a" / "b") == ["c.json"]


def test_a_file_is_replaced_and_whoever_reads_the_old_one_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_whole(path, b"old")
    with path.open("rb") as reader:
        write_whole(path, b"new")

        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_disk_without_room_leaves_the_old_file_and_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_whole(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(RecordError, match="can't be written: File too large") as caught:
            write_whole(path, "y" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "free some space" in caught.value.remedy
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["x"]


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RecordError, match="can't be written"):
        write_whole(tmp_path / "file" / "x", "y")
    with pytest.raises(RecordError, match="can't be written"), locked(tmp_path / "file" / "lock"):
        pass


def test_a_read_only_folder_is_an_error_for_all_but_root(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)

    if os.geteuid() == 0:
        write_whole(folder / "x", "y")
        assert _names(folder) == ["x"]
    else:
        with pytest.raises(RecordError, match="Permission denied"):
            write_whole(folder / "x", "y")


def test_a_folder_in_the_files_place_is_an_error_and_leaves_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()

    with pytest.raises(RecordError, match="directory"):
        write_whole(tmp_path / "x", "y")

    assert _names(tmp_path) == ["x"]


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "deep" / "lock"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                os.sched_yield()
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1


def test_who_must_wait_is_told_once_and_gets_the_lock_then(tmp_path: Path) -> None:
    told: list[str] = []
    holds, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / "lock"):
            holds.set()
            release.wait(10)

    def waiting() -> None:
        told.append("waiting")
        release.set()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(10)
    with locked(tmp_path / "lock", waiting=waiting):
        thread.join(10)

    assert told == ["waiting"]
    with locked(tmp_path / "lock", waiting=waiting):
        pass
    assert told == ["waiting"]


def test_shared_holders_do_not_wait_for_each_other(tmp_path: Path) -> None:
    told: list[str] = []

    with (
        locked(tmp_path / "lock", shared=True),
        locked(tmp_path / "lock", shared=True, waiting=lambda: told.append("waiting")),
    ):
        pass

    assert told == []


def test_a_lock_is_released_by_an_error_and_its_file_stays(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError

    with locked(tmp_path / "lock"):
        assert _names(tmp_path) == ["lock"]


def test_the_cache_folder_is_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE", "/srv/cache")

    assert cache_folder() == Path("/srv/cache")


@pytest.mark.parametrize(
    ("uid", "xdg", "expected"),
    [
        (0, "/x", "/var/cache/noxlib"),
        (1000, "/x", "/x/noxlib"),
        (1000, "", "/home/me/.cache/noxlib"),
    ],
)
def test_the_cache_folder_is_the_machines_for_root_and_the_users_for_others(
    monkeypatch: pytest.MonkeyPatch, uid: int, xdg: str, expected: str
) -> None:
    monkeypatch.delenv("NOXLIB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr("os.geteuid", lambda: uid)

    assert cache_folder() == Path(expected)


def test_a_cache_that_cannot_be_written_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NOXLIB_CACHE", str(tmp_path / "file"))
    with pytest.raises(RecordError) as caught, locked(tmp_path / "file/machine.lock"):
        pass
    assert (
        caught.value.remedy == "make its folder one that you may write to, or set NOXLIB_CACHE to another one"
    )
    with pytest.raises(RecordError) as caught:
        write_whole(tmp_path / "file2" / ("x" * 300), "")
    assert caught.value.remedy == "make its folder one that you may write to"


def test_a_user_without_a_home_is_told_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOXLIB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(RecordError, match="the user 4711 has no home folder") as caught:
        cache_folder()
    assert "NOXLIB_CACHE" in caught.value.remedy
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="can't be written"):
        write_whole(tmp_path / "file" / "x", "")
