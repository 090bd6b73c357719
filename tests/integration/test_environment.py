"""Real virtualenvs, uv and pip, without network: the packages are made here, found by pip's settings."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from noxlib import launch
from noxlib.environment import Order, build, build_tool, uv
from noxlib.environment.wheel import assemble
from noxlib.errors import EnvironmentBuildError
from noxlib.model import BuiltEnvironment, Install, Service

REPOSITORY = Path(__file__).parents[2]
BACKEND = """
import os, pathlib, time, zipfile
def _wheel(folder, files):
    if os.path.exists("slow"):
        pathlib.Path("slow").write_text(str(os.getpid()))
        time.sleep(60)
    info = "alpha-1.0.dist-info"
    head = "Metadata-Version: 2.1\\nName: alpha\\nVersion: 1.0\\n"
    needs = "Requires-Dist: tiny\\nProvides-Extra: more\\nRequires-Dist: other; extra == 'more'\\n"
    files[info + "/METADATA"] = head + needs
    files[info + "/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[info + "/RECORD"] = "".join(name + ",,\\n" for name in [*files, info + "/RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "alpha-1.0-py3-none-any.whl"), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return "alpha-1.0-py3-none-any.whl"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"alpha/__init__.py": open("src/alpha/__init__.py").read()})
def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"alpha.pth": os.path.abspath("src") + "\\n"})
"""
PYPROJECT = """
[project]
name = "alpha"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["tiny"]
[project.optional-dependencies]
more = ["other"]
[dependency-groups]
dev = ["grouped"]
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def wheel(folder: Path, name: str, version: str, needs: str = "") -> Path:
    metadata = {"METADATA": f"Requires-Dist: {needs}\n" if needs else ""}
    path = folder / f"{name}-{version}-py3-none-any.whl"
    path.write_bytes(assemble(name, version, {f"{name}.py": f'VERSION = "{version}"\n'.encode()}, metadata))
    return path


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheelhouse")
    for name, version in (("tiny", "1.0"), ("tiny", "2.0"), ("other", "1.0"), ("grouped", "1.0")):
        wheel(folder, name, version)
    wheel(folder, "toolbelt", "3.0", "tiny")
    wheel(folder, "picky", "1.0", "tiny>=2")
    return folder


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture(autouse=True)
def only_the_wheelhouse(wheelhouse: Path, uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")


@dataclass
class Alpha:
    """A service on disk, and what its builds said."""

    folder: Path
    said: list[str] = field(default_factory=list)
    install: Install = field(default_factory=Install)

    def order(self, **changes: object) -> Order:
        service = Service(name="alpha", path="alpha", source=("src/alpha",), install=self.install)
        store = self.folder.parent / ".nox" / "noxlib"
        order = Order(
            service=service,
            folder=self.folder,
            python="",
            store=store,
            tools=("toolbelt>=3",),
            say=self.said.append,
        )
        return replace(order, **changes)  # type: ignore[arg-type]

    def build(self, **changes: object) -> BuiltEnvironment:
        return build(self.order(**changes))

    def environments(self) -> list[str]:
        return sorted(path.name for path in (self.order().store / "envs").glob("*"))


@pytest.fixture
def alpha(tmp_path: Path) -> Alpha:
    folder = tmp_path / "a repository" / "alpha"
    (folder / "src" / "alpha").mkdir(parents=True)
    (folder / "src" / "alpha" / "__init__.py").write_text("import tiny\n", encoding="utf-8")
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "requirements.lock").write_text("tiny==1.0\n", encoding="utf-8")
    return Alpha(folder)


@pytest.fixture(params=["uv", "pip"])
def each_tool(request: pytest.FixtureRequest, alpha: Alpha, monkeypatch: pytest.MonkeyPatch) -> Alpha:
    if request.param == "pip":
        monkeypatch.setenv("NOXLIB_UV", "off")
    else:
        assert uv.find(), "uv must be on PATH or beside the interpreter"
    return alpha


def ask(built: BuiltEnvironment, program: str) -> str:
    done = launch.run([built.python, "-c", program], launch.Setting(cwd=Path("/"), sink=lambda _: None))
    assert done.code == 0, done.describe()
    return done.output.strip()


def test_lock_tools_service_and_plugin_are_in(each_tool: Alpha) -> None:
    built = each_tool.build()
    assert {"tiny": "1.0", "toolbelt": "3.0", "alpha": "1.0"}.items() <= built.packages.items()
    assert built.added == ("toolbelt==3.0",)
    assert built.tool == ("uv" if uv.find() else "pip")
    assert built.version == ".".join(map(str, sys.version_info[:3]))
    where = ask(
        built, "import alpha, tiny, noxlib; print(tiny.VERSION, alpha.__file__); print(noxlib.__file__)"
    )
    assert where.splitlines()[0] == f"1.0 {each_tool.folder}/src/alpha/__init__.py"
    assert where.splitlines()[1].startswith(built.path)
    points = "from importlib.metadata import entry_points as e; print([p.value for p in e(group='pytest11')])"
    assert ask(built, points) == "['noxlib.pytest_plugin']"
    assert [line for line in each_tool.said if "beside the lock" in line] == [
        "alpha: added beside the lock: toolbelt==3.0"
    ]


def test_a_warm_build_starts_no_process(each_tool: Alpha, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = each_tool.build()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(launch, "start", refuse)
    each_tool.said.clear()
    assert each_tool.build() == cold
    assert each_tool.said == []


def test_a_service_can_be_built_in_instead_of_linked(each_tool: Alpha) -> None:
    each_tool.install = Install(editable=False)
    built = each_tool.build()
    assert ask(built, "import alpha; print(alpha.__file__)").startswith(built.path)
    (each_tool.folder / "src/alpha/__init__.py").write_text("NEW = 1\n", encoding="utf-8")
    assert ask(each_tool.build(), "import alpha; print(alpha.NEW)") == "1"


def test_sources_of_what_is_no_package_go_on_the_path(alpha: Alpha) -> None:
    alpha.install = Install(package=False)
    built = alpha.build()
    assert "alpha" not in built.packages
    assert ask(built, "import alpha; print(alpha.__file__)") == f"{alpha.folder}/src/alpha/__init__.py"


def test_an_empty_lock_is_a_lock(alpha: Alpha) -> None:
    (alpha.folder / "requirements.lock").write_text("# nothing\n", encoding="utf-8")
    alpha.install = Install(package=False)
    assert alpha.build(tools=()).packages.keys() == {"noxlib"}


def test_hashes_are_insisted_on(each_tool: Alpha, wheelhouse: Path) -> None:
    digest = hashlib.sha256((wheelhouse / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lock = each_tool.folder / "requirements.lock"
    lock.write_text(f"tiny==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
    assert each_tool.build().packages["tiny"] == "1.0"
    lock.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with pytest.raises(EnvironmentBuildError, match=r"installing requirements\.lock failed") as caught:
        each_tool.build()
    assert "log:" in caught.value.message
    assert len(each_tool.environments()) == 1


def test_an_open_version_is_refused_with_its_line(alpha: Alpha) -> None:
    (alpha.folder / "requirements.lock").write_text("\ntiny>=1\n", encoding="utf-8")
    with pytest.raises(EnvironmentBuildError, match=r"requirements\.lock:2: tiny>=1"):
        alpha.build()
    (alpha.folder / "pins.txt").write_text("tiny==1.0\n", encoding="utf-8")
    alpha.install = Install(constraints=("pins.txt",))
    assert alpha.build().packages["tiny"] == "1.0"


def test_groups_of_a_flat_list_are_refused(alpha: Alpha) -> None:
    alpha.install = Install(groups=("dev",))
    with pytest.raises(
        EnvironmentBuildError, match=r"`install\.groups` has no meaning for requirements\.lock"
    ):
        alpha.build()


def test_a_locked_tool_that_is_too_old_is_an_error_with_the_remedy(alpha: Alpha) -> None:
    with pytest.raises(
        EnvironmentBuildError, match=r"pins tiny 1\.0; its test types need tiny>=2\n.*'tiny>=2'"
    ):
        alpha.build(tools=("tiny>=2",))
    assert alpha.environments() == []


def test_a_tool_that_needs_another_version_than_the_lock_changes_nothing(each_tool: Alpha) -> None:
    with pytest.raises(EnvironmentBuildError, match="adding test tools beside the lock failed"):
        each_tool.build(tools=("picky",))


def test_strict_tools_must_be_in_the_lock(alpha: Alpha) -> None:
    alpha.install = Install(tools="strict")
    with pytest.raises(EnvironmentBuildError, match=r"doesn't hold toolbelt>=3, .*\n.*add 'toolbelt>=3' to"):
        alpha.build()


def test_a_types_own_requirements_are_added_without_a_word(alpha: Alpha) -> None:
    plain = alpha.build(tools=())
    alpha.said.clear()
    more = alpha.build(tools=(), requirements=("other",))
    assert more.added == ("other==1.0",)
    assert more.key != plain.key
    assert not [line for line in alpha.said if "beside" in line]


def test_what_the_package_asks_for_and_the_lock_lacks_is_named(alpha: Alpha) -> None:
    alpha.install = Install(extras=("more",))
    with pytest.raises(
        EnvironmentBuildError, match=r"requirements\.lock doesn't hold other; .*asks for\n.*uv pip"
    ):
        alpha.build()


def test_installers_see_no_secret_of_ours(alpha: Alpha) -> None:
    leak = "\nassert 'AWS_SECRET_ACCESS_KEY' not in os.environ\n"
    (alpha.folder / "backend.py").write_text(BACKEND + leak, encoding="utf-8")
    assert alpha.build().packages["alpha"] == "1.0"


def test_a_half_built_environment_is_wiped(alpha: Alpha) -> None:
    built = alpha.build()
    stamp = Path(built.path) / "noxlib-stamp.json"
    assert json.loads(stamp.read_text(encoding="utf-8"))["key"] == built.key
    stamp.unlink()
    (Path(built.path) / "rubbish").touch()
    assert alpha.build().path == built.path
    assert not (Path(built.path) / "rubbish").exists()


def test_reuse_never_builds_again_and_always_never_builds(alpha: Alpha) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"no environment to reuse for Python .*\n.*without -R"):
        alpha.build(reuse="always")
    built = alpha.build()
    assert alpha.build(reuse="always") == built
    mark = Path(built.path) / "mark"
    mark.touch()
    alpha.build(reuse="never")
    assert not mark.exists()


@pytest.fixture
def slow(each_tool: Alpha) -> Iterator[Callable[[], int]]:
    """Make the service's installation hang, and return how to find the process that hangs."""
    marker = each_tool.folder / "slow"
    marker.touch()

    def pid() -> int:
        deadline = time.monotonic() + 60
        while not (text := marker.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return int(text)

    yield pid
    if text := marker.read_text(encoding="utf-8"):
        launch.kill([int(text)])


def test_an_interrupt_leaves_neither_folder_nor_process(each_tool: Alpha, slow: Callable[[], int]) -> None:
    def interrupt() -> None:
        slow()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        each_tool.build()
    thread.join()
    assert each_tool.environments() == []
    assert gone(slow())


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


BUILD = """
import sys
from pathlib import Path
from noxlib.environment import Order, build
from noxlib.model import Service
folder = Path(sys.argv[1])
service = Service(name="alpha", path="alpha", source=("src/alpha",))
order = Order(
    service=service, folder=folder, python="", store=folder.parent / "store", tools=(),
    say=lambda text: print(text, flush=True),
)
print("key", build(order).key)
"""


def start_build(alpha: Alpha, said: list[bytes]) -> launch.Child:
    command = [sys.executable, "-c", BUILD, str(alpha.folder)]
    return launch.start(command, launch.Setting(cwd=REPOSITORY, sink=said.append))


def test_of_two_builds_at_once_one_builds_and_both_have_it(alpha: Alpha) -> None:
    said: list[list[bytes]] = [[], []]
    children = [start_build(alpha, lines) for lines in said]
    assert [child.wait(60) for child in children] == [0, 0]
    texts = [b"".join(lines).decode() for lines in said]
    assert sum("building its environment" in text for text in texts) == 1
    assert len({text.split("key ")[1] for text in texts}) == 1


def test_after_sigkill_the_orphaned_installer_keeps_the_folder_until_it_ends(
    alpha: Alpha, slow: Callable[[], int]
) -> None:
    said: list[bytes] = []
    first = start_build(alpha, [])
    hanging = slow()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (alpha.folder / "slow").rename(alpha.folder / "was-slow")
    second = start_build(alpha, said)
    deadline = time.monotonic() + 30
    while b"waiting for another nox" not in b"".join(said):
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
    os.killpg(os.getpgid(hanging), signal.SIGKILL)
    assert second.wait(60) == 0, said
    (alpha.folder / "was-slow").rename(alpha.folder / "slow")


def test_uv_lock_is_read_as_it_stands(alpha: Alpha, wheelhouse: Path) -> None:
    program = str(uv.find())
    lock = [
        program,
        "lock",
        "--no-index",
        f"--find-links={wheelhouse}",
        "--quiet",
        "--python",
        sys.executable,
    ]
    done = launch.run(lock, launch.Setting(cwd=alpha.folder, sink=lambda _: None))
    assert done.code == 0, done.describe()
    (alpha.folder / "requirements.lock").unlink()
    alpha.install = Install(extras=("more",))
    built = alpha.build()
    assert {"tiny": "2.0", "grouped": "1.0", "other": "1.0"}.items() <= built.packages.items()
    assert built.tool == "uv"


def test_uv_lock_without_uv_says_so(alpha: Alpha, monkeypatch: pytest.MonkeyPatch) -> None:
    (alpha.folder / "uv.lock").touch()
    monkeypatch.setenv("NOXLIB_UV", "off")
    with pytest.raises(EnvironmentBuildError, match="uv was asked for and isn't here"):
        alpha.build()


def test_pip_can_be_asked_for_beside_uv(alpha: Alpha) -> None:
    alpha.install = Install(tool="pip")
    assert alpha.build().tool == "pip"


def test_a_tool_gets_an_environment_of_its_own_once(each_tool: Alpha) -> None:
    store = each_tool.order().store
    store.mkdir(parents=True)
    folder = build_tool("belt", ["toolbelt==3.0", "tiny==1.0"], store, each_tool.said.append)
    assert (folder / "python").exists()
    assert build_tool("belt", ["toolbelt==3.0", "tiny==1.0"], store, each_tool.said.append) == folder
    assert each_tool.said == ["belt: preparing it once for this repository"]
