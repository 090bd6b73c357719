"""Finding PostgreSQL's programs, on real folders with small programs in them; and fetching the wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noxlib import launch
from noxlib.errors import BinariesNotFoundError
from noxlib.model import Binaries, Postgres
from noxlib.resources import binaries as module
from noxlib.resources import wheel as wheels
from noxlib.resources.postgres import server_credentials
from noxlib.resources.postgres_wheel import WHEEL

PLACE = "services.toml: services.a.postgres"
Install = Callable[..., Path]


@pytest.fixture
def install(box_folder: Path) -> Install:
    """Lay out an installation: small programs that say a version, and control files."""

    def lay(name: str, version: str, *extensions: str, share: str = "share", says: str = "") -> Path:
        folder = box_folder / name / "bin"
        folder.mkdir(parents=True)
        said = says or f"postgres (PostgreSQL) {version} (Debian {version}-1)"
        for program in ("postgres", "initdb"):
            script(folder / program, f"echo '{said}'")
        for extension in extensions:
            path = box_folder / name / share / "extension" / f"{extension}.control"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for each in (box_folder / name).rglob("*"):
            each.chmod(0o755)
        return folder

    return lay


def script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide what this machine has; the wheel can't be fetched."""
    for name in ("NOXLIB_PG_BIN", "NOXLIB_PG_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "SYSTEM", ())
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    script(tmp_path / "pg_config", f"echo {tmp_path / 'none'}")
    monkeypatch.setattr(wheels, "_installer", lambda: ["false"])


def find(cache: Path, **settings: object) -> Binaries:
    return module.find_binaries(Postgres(**settings), PLACE, cache, print)  # type: ignore[arg-type]


def test_bin_dir_is_binding(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_PG_BIN", str(install("other", "17.1")))
    folder = install("mine", "16.2", "hstore")
    found = find(tmp_path, bin_dir=str(folder))
    assert found == Binaries(bin_dir=str(folder), version="16.2", origin="bin_dir", extensions=("hstore",))
    with pytest.raises(BinariesNotFoundError) as caught:
        find(tmp_path, bin_dir=str(folder), version=">=17")
    assert str(caught.value) == (
        f'{PLACE}: no PostgreSQL fits version ">=17"\n    bin_dir: {folder}: 16.2 isn\'t ">=17"\n'
        "  to fix it: correct bin_dir, or remove it to have a PostgreSQL found"
    )


def test_the_environments_folder_comes_before_the_systems(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SYSTEM", (str(install("system", "17.1")),))
    named = install("named", "16.2")
    monkeypatch.setenv("NOXLIB_PG_BIN", str(named))
    assert find(tmp_path).origin == "NOXLIB_PG_BIN"
    with pytest.raises(BinariesNotFoundError, match="NOXLIB_PG_BIN: "):
        find(tmp_path, version=">=17")


def test_the_systems_newest_that_fits_is_taken(
    install: Install, tmp_path: Path, box_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "10.1", "16.2"):
        install(version, version)
    client = box_folder / "99" / "bin"
    client.mkdir(parents=True)
    (client / "psql").touch()
    monkeypatch.setattr(module, "SYSTEM", (f"{box_folder}/*/bin",))
    assert find(tmp_path).version == "16.2"
    assert find(tmp_path, version="<16").version == "10.1"


def test_pg_configs_installation_comes_first(install: Install, tmp_path: Path) -> None:
    folder = install("anywhere", "15.3")
    script(tmp_path / "pg_config", f"echo {folder}")
    assert find(tmp_path) == Binaries(bin_dir=str(folder), version="15.3", origin="system")


def test_the_system_can_be_hidden(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYSTEM", (str(install("system", "17.1")),))
    monkeypatch.setenv("NOXLIB_PG_SYSTEM", "off")
    with pytest.raises(BinariesNotFoundError) as caught:
        find(tmp_path)
    assert "17.1" not in str(caught.value)
    assert f"wheel: {WHEEL.name}: can't be fetched for" in str(caught.value)


@pytest.mark.parametrize("share", ["share", "share/postgresql", "share/postgresql@16"])
def test_an_extension_is_looked_for_where_the_programs_have_theirs(
    install: Install, tmp_path: Path, share: str
) -> None:
    folder = install("x", "16.2", "vector", share=share)
    assert find(tmp_path, bin_dir=str(folder), extensions=("vector",)).extensions == ("vector",)


def test_pg_config_knows_where_extensions_are(install: Install, tmp_path: Path, box_folder: Path) -> None:
    folder = install("x", "16.2")
    install("elsewhere", "16.2", "postgis")
    script(folder / "pg_config", f"echo {box_folder / 'elsewhere' / 'share'}")
    assert find(tmp_path, bin_dir=str(folder)).extensions == ("postgis",)


def test_a_missing_extension_is_named_with_the_package_that_brings_it(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SYSTEM", (str(install("16", "16.2", "hstore")),))
    with pytest.raises(BinariesNotFoundError) as caught:
        find(tmp_path, version=">=16", extensions=("hstore", "vector"))
    assert ' no PostgreSQL fits version ">=16" with hstore, vector\n' in str(caught.value)
    assert "16.2 lacks vector" in str(caught.value)
    assert "apt-get install postgresql-16 postgresql-16-pgvector" in caught.value.remedy


@pytest.mark.parametrize(
    ("wanted", "near"), [("pgvector", "vector"), ("uuid_ossp", "uuid-ossp"), ("pg_trgmm", "pg_trgm")]
)
def test_an_extension_of_another_name_is_offered(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, near: str
) -> None:
    monkeypatch.setattr(module, "SYSTEM", (str(install("16", "16.2", "vector", "uuid-ossp", "pg_trgm")),))
    with pytest.raises(BinariesNotFoundError) as caught:
        find(tmp_path, extensions=(wanted,))
    assert f"16.2 lacks {wanted} (did you mean {near}?)" in str(caught.value)


def test_a_release_candidate_counts(install: Install, tmp_path: Path) -> None:
    folder = install("x", "19rc1")
    assert find(tmp_path, bin_dir=str(folder), version=">=18").version == "19rc1"


def test_programs_that_dont_run_say_so(install: Install, tmp_path: Path) -> None:
    folder = install("x", "16.2", says="error while loading shared libraries: libicu.so")
    with pytest.raises(BinariesNotFoundError, match="doesn't run here: error while loading shared libraries"):
        find(tmp_path, bin_dir=str(folder))


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match="holds no postgres and no initdb"):
        find(tmp_path, bin_dir=str(tmp_path))


def test_programs_that_the_servers_user_cant_run_are_refused(install: Install, tmp_path: Path) -> None:
    folder = install("x", "16.2")
    # For root it is the folder that keeps the server's user out, for others the file.
    if server_credentials():
        folder.parent.chmod(0o700)
    else:
        (folder / "postgres").chmod(0o644)
    with pytest.raises(BinariesNotFoundError, match="the server's user can't run it"):
        find(tmp_path, bin_dir=str(folder))


def test_a_wheel_that_cant_fit_isnt_fetched(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match=r'18\.6 isn\'t "<18"'):
        find(tmp_path, version="<18")
    assert not (tmp_path / "binaries").exists()


def test_a_failed_fetch_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match="`false"):
        find(tmp_path)
    assert {path.suffix for path in (tmp_path / "binaries").iterdir()} == {".lock"}


class TestTheWheel:
    @pytest.fixture(autouse=True)
    def _fetchable(self, _nothing_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("NOXLIB_PG_SYSTEM", "off")
        monkeypatch.delenv("NOXLIB_PG_BIN", raising=False)

    @pytest.fixture
    def wheel(self, postgres_cache: Path) -> Binaries:
        found: Binaries = find(postgres_cache, version=">=17", extensions=("vector",))
        return found

    def test_it_runs_a_server_with_pgvector(
        self, wheel: Binaries, started: Callable[..., object], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert (wheel.origin, wheel.version) == ("wheel", "18.6")
        server = started(binaries=wheel, extensions=("vector",))
        assert server.ask("SELECT '[3,4]'::vector <-> '[0,0]'") == 5.0  # type: ignore[attr-defined]
        find(Path(wheel.bin_dir).parents[4])
        assert "fetching" not in capsys.readouterr().out

    def test_whoever_runs_the_server_can_run_it(self, wheel: Binaries) -> None:
        done = launch.run(
            [f"{wheel.bin_dir}/psql", "--version"],
            launch.Setting(cwd=Path("/"), credentials=server_credentials(), sink=lambda _: None),
        )
        assert done.output == "psql (PostgreSQL) 18.6\n"


@pytest.mark.parametrize("pip", [True, False])
def test_uv_serves_where_pip_is_missing(monkeypatch: pytest.MonkeyPatch, pip: bool, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "empty"))  # no uv beside the interpreter
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if pip else None)
    script(tmp_path / "uv", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = wheels._installer()  # noqa: SLF001  only one of the two is on a machine
    assert words[:3][-1] == ("pip" if pip else "install")
    assert "--require-hashes" in words
    shutil.rmtree(tmp_path)


def test_without_pip_and_uv_the_wheel_cant_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "empty"))  # no uv beside the interpreter
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NOXLIB_PG_SYSTEM", "off")
    with pytest.raises(BinariesNotFoundError, match="neither pip nor uv is there"):
        find(tmp_path)
