from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from noxlib import bootstrap
from noxlib.errors import BootstrapError

REPOSITORY = Path(__file__).parents[2]


class Became(Exception):  # noqa: N818  stands for the end of this process, not for a fault
    """What the process would have become."""


@pytest.fixture(autouse=True)
def no_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    def execv(program: str | Path, arguments: list[str]) -> None:
        raise Became(str(program), arguments)

    monkeypatch.setattr(os, "execv", execv)


@pytest.fixture
def noxfile(tmp_path: Path) -> Path:
    path = tmp_path / "noxfile.py"
    path.touch()
    return path


def lacking(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    monkeypatch.setattr(bootstrap, "missing_needs", lambda: list(missing))


def as_main(monkeypatch: pytest.MonkeyPatch, noxfile: Path | None) -> None:
    main = SimpleNamespace(__file__=str(noxfile)) if noxfile else SimpleNamespace()
    monkeypatch.setitem(sys.modules, "__main__", main)


def became(noxfile: Path) -> tuple[str, list[str]]:
    with pytest.raises(Became) as caught:
        bootstrap.ensure(str(noxfile))
    program, arguments = caught.value.args
    return program, arguments


def ended(noxfile: Path) -> int:
    with pytest.raises(SystemExit) as caught:
        bootstrap.ensure(str(noxfile))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_loaded_by_a_nox_that_has_everything_it_gets_out_of_the_way(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch)
    bootstrap.ensure(str(noxfile))
    assert not (noxfile.parent / ".nox").exists()


def test_run_as_a_script_with_everything_there_it_becomes_nox(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch)
    as_main(monkeypatch, noxfile)
    monkeypatch.setattr(sys, "argv", ["noxfile.py", "-s", "a", "--", "-f", "--"])
    program, arguments = became(noxfile)
    assert program == sys.executable
    assert arguments[1:] == ["-m", "nox", "-s", "a", "--noxfile", str(noxfile), "--", "-f", "--"]


@pytest.mark.parametrize("nox", ["/somewhere/bin/nox", "/lib/site-packages/nox/__main__.py"])
def test_a_nox_that_lacks_something_becomes_the_prepared_one(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch, nox: str
) -> None:
    lacking(monkeypatch, "pydantic")
    monkeypatch.setattr(bootstrap, "prepared", lambda folder: folder / "bin/python")
    monkeypatch.setattr(sys, "argv", [nox, "-f", "relative/noxfile.py", "-s", "a"])
    program, arguments = became(noxfile)
    assert re.fullmatch(re.escape(f"{noxfile.parent}/.nox/bootstrap-") + "[0-9a-f]{12}/bin/python", program)
    assert arguments[1:] == ["-m", "nox", "-f", "relative/noxfile.py", "-s", "a", "--noxfile", str(noxfile)]


def test_loaded_by_something_else_it_says_what_lacks(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, "pydantic", "psutil")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])
    assert ended(noxfile) == BootstrapError.exit_code
    assert "lacks pydantic, psutil" in capsys.readouterr().err


def test_a_prepared_interpreter_that_lost_something_does_not_start_itself_for_ever(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, "pydantic")
    folder = noxfile.parent / ".nox" / "bootstrap-key"
    folder.mkdir(parents=True)
    (folder / bootstrap.STAMP).touch()
    monkeypatch.setattr(bootstrap, "_key", lambda: "key")
    monkeypatch.setattr(sys, "prefix", str(folder))
    assert ended(noxfile) == BootstrapError.exit_code
    assert "lost pydantic\n  to fix it: run the same command again" in capsys.readouterr().err
    assert not (folder / bootstrap.STAMP).exists()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/checkout/noxlib/__main__.py", "check", "a.toml"])
    monkeypatch.setattr(bootstrap, "prepared", lambda folder: folder / "bin/python")


@pytest.mark.usefixtures("command")
def test_a_command_with_everything_there_goes_on(noxfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch)
    bootstrap.ensure_command(noxfile.parent)


@pytest.mark.usefixtures("command")
def test_a_command_of_a_checkout_becomes_that_of_the_prepared_interpreter(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, "pydantic")
    with pytest.raises(Became) as caught:
        bootstrap.ensure_command(noxfile.parent)
    program, arguments = caught.value.args
    assert Path(program).is_relative_to(noxfile.parent / ".nox")
    assert arguments == [program, "-m", "noxlib", "check", "a.toml"]


@pytest.mark.usefixtures("command")
def test_a_command_of_an_installation_without_its_dependencies_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, "pydantic", "nox")
    with pytest.raises(SystemExit) as caught:
        bootstrap.ensure_command(tmp_path)
    assert caught.value.code == BootstrapError.exit_code
    said = capsys.readouterr().err
    assert f"{sys.executable} lacks pydantic, nox" in said
    assert "-m pip install noxlib" in said


@pytest.mark.usefixtures("command")
def test_an_old_python_hands_a_command_over(
    tmp_path: Path, old: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = old("bin/python3.13")
    monkeypatch.setattr(sys, "argv", ["__main__.py", "check"])
    with pytest.raises(Became) as caught:
        bootstrap.ensure_command(tmp_path)
    assert caught.value.args == (str(newer), [str(newer), "-m", "noxlib", "check"])


def test_an_interrupt_is_one_line_and_130(
    noxfile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "missing_needs", interrupt)
    assert ended(noxfile) == 130
    assert capsys.readouterr().err == "noxlib: interrupted\n"


def test_this_interpreter_lacks_nothing() -> None:
    assert bootstrap.missing_needs() == []


def test_an_old_nox_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "2024.4.15")
    assert bootstrap.missing_needs() == ["nox 2026.10 or newer"]


def test_what_is_absent_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "NEEDS", ("nox", "no_such_module", "no_such.module"))
    assert bootstrap.missing_needs() == ["no_such_module", "no_such.module"]


# --- old Pythons ---


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    monkeypatch.setenv("PATH", f"{tmp_path}/shims:{tmp_path}/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    # What an earlier hand-over of this process has left; tests run in random order.
    monkeypatch.delenv("NOXLIB_NEWER_PYTHON", raising=False)
    monkeypatch.setattr(sys, "argv", ["noxfile.py", "-l"])

    def install(place: str) -> Path:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
        return path

    return install


def test_an_old_python_hands_over_to_the_newest_on_the_path(
    noxfile: Path, old: Callable[[str], Path]
) -> None:
    old("shims/python3.14")
    old("bin/python3.10")
    newest = old("bin/python3.13")
    assert became(noxfile) == (str(newest), [str(newest), str(noxfile), "-l"])


def test_an_old_python_finds_pyenvs(noxfile: Path, old: Callable[[str], Path]) -> None:
    old("pyenv/versions/3.9.1/bin/python")
    old("pyenv/versions/3.10.2/bin/python")
    newest = old("pyenv/versions/3.12.1/bin/python")
    assert became(noxfile)[0] == str(newest)


@pytest.mark.parametrize("handed_over", [False, True])
def test_an_old_python_alone_says_what_is_needed(
    noxfile: Path,
    old: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    handed_over: bool,
) -> None:
    if handed_over:
        old("bin/python3.12")
        monkeypatch.setenv("NOXLIB_NEWER_PYTHON", "bin/python3.12")
    assert ended(noxfile) == BootstrapError.exit_code
    assert "Python 3.9: noxlib needs Python 3.10 or newer" in capsys.readouterr().err


def test_the_bootstrap_reads_as_python_3_8() -> None:
    import ast  # noqa: PLC0415  for this one test

    for name in ("__init__", "__main__", "errors", "bootstrap"):
        ast.parse((REPOSITORY / "noxlib" / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 8))


# --- the folder ---


def make_ready(folder: Path) -> Path:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (folder / bootstrap.STAMP).touch()
    return python


def test_a_ready_folder_is_used_and_stays_young(tmp_path: Path) -> None:
    folder = tmp_path / ".nox" / "bootstrap-a"
    python = make_ready(folder)
    os.utime(folder / bootstrap.STAMP, (1, 1))
    assert bootstrap.prepared(folder) == python
    assert time.time() - (folder / bootstrap.STAMP).stat().st_mtime < 60


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_nothing_half_made_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    folder = tmp_path / ".nox" / "bootstrap-a"
    make_ready(folder)
    (folder / bootstrap.STAMP).unlink()

    def make(there: Path, _: int) -> None:
        assert not there.exists()
        there.mkdir()
        raise end

    monkeypatch.setattr(bootstrap, "_make", make)
    with pytest.raises((KeyboardInterrupt, BootstrapError)):
        bootstrap.prepared(folder)
    assert not folder.exists()


def test_bootstraps_unused_for_a_fortnight_are_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - bootstrap.UNUSED_SECONDS - 60
    for name in ("old", "recent"):
        make_ready(tmp_path / ".nox" / f"bootstrap-{name}")
    os.utime(tmp_path / ".nox/bootstrap-old" / bootstrap.STAMP, (long_ago, long_ago))
    monkeypatch.setattr(bootstrap, "_make", lambda folder, _: folder.mkdir())
    bootstrap.prepared(tmp_path / ".nox" / "bootstrap-new")
    assert sorted(path.name for path in (tmp_path / ".nox").glob("bootstrap-*")) == [
        "bootstrap-new",
        "bootstrap-recent",
    ]


def test_termination_interrupts_and_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        with bootstrap._termination_interrupts():  # noqa: SLF001  it is used around a wait alone
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == terminated


# --- the pins ---


def test_every_dependency_of_noxlib_is_pinned_and_hashed() -> None:
    text = bootstrap.REQUIREMENTS.read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.search(r"^dependencies = \[(.*?)^\]", project, flags=re.MULTILINE | re.DOTALL)
    assert wanted
    names = {
        re.sub(r"[._-]+", "-", name) for name in re.findall(r'^  "([\w.-]+)', wanted[1], flags=re.MULTILINE)
    }
    assert len(names) > 5
    assert names | {"uv"} <= pinned
    assert text.count("--hash=") >= len(pinned)


def test_the_pins_name_no_address_and_no_path() -> None:
    assert not re.search(
        r"://|(?<![a-z])/(home|root|tmp|work)", bootstrap.REQUIREMENTS.read_text(encoding="utf-8")
    )
