"""`python3 noxfile.py` with real virtualenvs and pip, without network: "nox" is a wheel made here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually, gone

from noxlib import __version__, bootstrap, launch
from noxlib.environment.python import running
from noxlib.environment.wheel import assemble
from noxlib.errors import BootstrapError

PACKAGE = Path(__file__).parents[2] / "noxlib"
NOXFILE = """\
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from noxlib import bootstrap
bootstrap.ensure(__file__)
print("loaded by", sys.prefix)
"""
# Does what matters of nox: changes into the noxfile's folder, then runs it.
NOX = b"""\
import importlib.util, os, sys
def main():
    at = sys.argv.index("--noxfile") + 1 if "--noxfile" in sys.argv else 1
    path = os.path.abspath(sys.argv[at])
    print("nox", *sys.argv[1:], flush=True)
    os.chdir(os.path.dirname(path))
    spec = importlib.util.spec_from_file_location("noxfile", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
if __name__ == "__main__":
    main()
"""
SLOW = """\
import os, pathlib, time
pathlib.Path(os.environ["NOX_SLOW"]).write_text(str(os.getpid()))
time.sleep(60)
"""


@dataclass
class Repository:
    """A repository with a noxfile, a copy of noxlib, and a pip that finds only what is made here."""

    folder: Path
    env: dict[str, str]
    children: list[launch.Child] = field(default_factory=list)

    def start(self, *arguments: str, sink: list[bytes], env: Mapping[str, str] | None = None) -> launch.Child:
        command = [running().path, str(self.folder / "noxfile.py"), *arguments]
        child = launch.start(
            command, launch.Setting(cwd=Path("/"), env={**self.env, **(env or {})}, sink=sink.append)
        )
        self.children.append(child)
        return child

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int | None, str]:
        said: list[bytes] = []
        code = self.start(*arguments, sink=said, env=env).wait(120)
        return code, b"".join(said).decode()

    def bootstraps(self) -> list[Path]:
        return list((self.folder / ".nox").glob("bootstrap-*"))


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "a repository"
    shutil.copytree(PACKAGE, folder / "noxlib", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
    house = tmp_path / "house"
    house.mkdir()
    modules = ("nox_poetry", "testing/postgresql", "pydantic", "coverage", "psutil", "packaging", "tomli")
    files = {f"{name}.py": b"" for name in modules}
    data = assemble("nox", "2026.10.20", {"nox/__init__.py": b"", "nox/__main__.py": NOX, **files}, {})
    (house / "nox-2026.10.20-py3-none-any.whl").write_bytes(data)
    pin = f"nox==2026.10.20 --hash=sha256:{hashlib.sha256(data).hexdigest()}\n"
    (folder / "noxlib" / "bootstrap-requirements.txt").write_text(pin, encoding="utf-8")
    env = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(house),
        # What a user may have set, and what must not get in the way.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_USER": "1",
        "PIP_TARGET": str(tmp_path / "target"),
        "PYTHONPATH": str(house),
    }
    repository = Repository(folder, env)
    yield repository
    for child in repository.children:
        child.stop(grace=0.5)


def test_a_bare_python_prepares_once_and_then_gets_out_of_the_way(repository: Repository) -> None:
    code, text = repository.run("-s", "a", "--", "b c")
    (folder,) = repository.bootstraps()
    assert code == 0, text
    assert text.splitlines() == [
        f"noxlib: preparing .nox/{folder.name} once (about 30 s)",
        f"nox -s a --noxfile {repository.folder}/noxfile.py -- b c",
        f"loaded by {folder}",
    ]
    code, text = repository.run("-l")
    assert code == 0
    assert "preparing" not in text
    assert repository.bootstraps() == [folder]


def test_a_nox_from_elsewhere_becomes_the_prepared_one(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "nox").mkdir()
    (tmp_path / "nox" / "__main__.py").write_bytes(NOX)
    command = [running().path, str(tmp_path / "nox" / "__main__.py"), f"{repository.folder.name}/noxfile.py"]
    done = launch.run(command, launch.Setting(cwd=tmp_path, env=repository.env, sink=lambda _: None))
    assert done.code == 0, done.output
    assert f"loaded by {repository.bootstraps()[0]}" in done.output
    assert done.output.count("loaded by") == 1


def test_a_command_of_the_checkout_prepares_what_a_bare_virtualenv_lacks(
    repository: Repository, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    made = launch.run([running().path, "-m", "venv", "--without-pip", str(bare)])
    assert made.code == 0
    setting = launch.Setting(cwd=repository.folder, env=repository.env, sink=lambda _: None)
    done = launch.run([str(bare / "bin/python"), "-m", "noxlib", "--version"], setting)
    assert done.code == 0, done.output
    (folder,) = repository.bootstraps()
    assert done.output.splitlines() == [
        f"noxlib: preparing .nox/{folder.name} once (about 30 s)",
        __version__,
    ]


def test_of_two_starts_at_once_one_prepares(repository: Repository) -> None:
    said: list[list[bytes]] = [[], []]
    children = [repository.start(sink=lines) for lines in said]
    assert [child.wait(120) for child in children] == [0, 0]
    assert b"".join(said[0] + said[1]).count(b"preparing") == 1


def test_without_an_index_it_says_what_to_do(repository: Repository, tmp_path: Path) -> None:
    code, text = repository.run(env={"PIP_FIND_LINKS": str(tmp_path / "nothing")})
    assert code == BootstrapError.exit_code
    assert "No matching distribution found for nox==2026.10.20" in text
    assert "to fix it: the first start needs the package index" in text
    assert "Traceback" not in text
    assert repository.bootstraps() == []


def test_a_wheel_with_another_hash_is_refused(repository: Repository) -> None:
    pins = repository.folder / "noxlib" / "bootstrap-requirements.txt"
    pins.write_text(f"nox==2026.10.20 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    code, text = repository.run()
    assert code == BootstrapError.exit_code
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in text


@pytest.fixture
def here(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to prepare within this very process, with the repository's pins."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "PYTHON"))]:
        monkeypatch.delenv(name)
    for name, value in repository.env.items():
        monkeypatch.setenv(name, value)
    pins = repository.folder / "noxlib" / "bootstrap-requirements.txt"
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", pins)
    return repository.folder / ".nox" / "bootstrap-here"


@pytest.mark.parametrize("oldest", [(22, 3), (9999, 0)])
def test_a_pip_from_here_is_used_and_where_none_is_new_enough_ensurepip_brings_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, oldest: tuple[int, int]
) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PIP", oldest)
    python = bootstrap.prepared(here)
    done = launch.run([str(python), "-c", "import nox_poetry"], launch.Setting(env={}, sink=lambda _: None))
    assert done.code == 0, done.output
    assert (here / "bin" / "pip").exists() == (oldest == (9999, 0))
    assert not (here / "tmp").exists()


def test_what_a_killed_pip_leaves_lies_in_the_folder_that_is_wiped(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    litter = "import os, tempfile; tempfile.mkdtemp(); print(tempfile.gettempdir(), flush=True); os.kill(os.getpid(), 9)"
    monkeypatch.setattr(bootstrap, "_pip_owner", lambda _held: sys.executable)
    run = bootstrap._run  # noqa: SLF001

    def killed(command: list[str], held: int, **how: Any) -> None:
        run([sys.executable, "-c", litter] if "install" in command else command, held, **how)

    monkeypatch.setattr(bootstrap, "_run", killed)
    with pytest.raises(BootstrapError, match=re.escape(f"{here}/tmp")):
        bootstrap.prepared(here)
    assert not here.exists()


def test_a_failed_preparation_shows_the_command_and_leaves_nothing(here: Path) -> None:
    bootstrap.REQUIREMENTS.write_text("nox==1 --hash=sha256:0\n", encoding="utf-8")
    with pytest.raises(BootstrapError, match=r"(?s)`.* install .*` ended with exit code 1\n.*\n  to fix it:"):
        bootstrap.prepared(here)
    assert not here.exists()


def test_a_preparation_that_hangs_is_interrupted_or_ended(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "slow"
    monkeypatch.setenv("NOX_SLOW", str(marker))

    def make(_: Path, held: int) -> None:
        bootstrap._run([sys.executable, "-c", SLOW], held, remedy="")  # noqa: SLF001  pip's stead

    def terminate() -> None:
        wait_for(marker)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(bootstrap, "_make", make)
    thread = threading.Thread(target=terminate)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        bootstrap.prepared(here)
    thread.join()
    assert eventually(partial(gone, wait_for(marker)))
    monkeypatch.setattr(bootstrap, "INSTALL_SECONDS", 0.2)
    with pytest.raises(BootstrapError, match="ended with exit code"):
        bootstrap.prepared(here)


@pytest.fixture
def slow(repository: Repository, tmp_path: Path) -> Path:
    """Make the preparation hang, in a child like pip, between making the virtualenv and filling it."""
    marker = tmp_path / "slow"
    source = (repository.folder / "noxlib" / "bootstrap.py").read_text(encoding="utf-8")
    program = f"import os; exec({SLOW!r}) if 'NOX_SLOW' in os.environ else None"
    hang = f'    _run([creator, "-c", {program!r}], held, remedy="")\n    python = str('
    assert source.count("    python = str(") == 1
    (repository.folder / "noxlib" / "bootstrap.py").write_text(
        source.replace("    python = str(", hang), encoding="utf-8"
    )
    return marker


def wait_for(marker: Path) -> int:
    assert eventually(lambda: marker.exists() and marker.read_text(encoding="utf-8"), 20)
    return int(marker.read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_line_and_leaves_nothing(repository: Repository, slow: Path, number: int) -> None:
    said: list[bytes] = []
    child = repository.start(sink=said, env={"NOX_SLOW": str(slow)})
    hanging = wait_for(slow)
    os.kill(child.pid, number)
    assert child.wait(30) == 130
    assert b"".join(said).decode().splitlines()[1:] == ["noxlib: interrupted"]
    assert eventually(partial(gone, hanging))
    assert repository.bootstraps() == []


def test_after_sigkill_the_next_start_waits_for_the_orphan_and_goes_on(
    repository: Repository, slow: Path
) -> None:
    first = repository.start(sink=[], env={"NOX_SLOW": str(slow)})
    hanging = wait_for(slow)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    said: list[bytes] = []
    second = repository.start(sink=said)
    assert eventually(lambda: b"waiting for another start" in b"".join(said), 30), said
    launch.kill([hanging])
    assert second.wait(120) == 0, said
    assert b"loaded by" in b"".join(said)
