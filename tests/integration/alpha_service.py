"""A service on disk whose environment is built, and what its builds said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from noxlib import launch
from noxlib.environment import Order, build
from noxlib.environment.wheel import assemble
from noxlib.model import BuiltEnvironment, Install, Service

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


def ask(built: BuiltEnvironment, program: str) -> str:
    done = launch.run([built.python, "-c", program], launch.Setting(cwd=Path("/"), sink=lambda _: None))
    assert done.code == 0, done.describe()
    return done.output.strip()
