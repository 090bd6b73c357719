"""poetry.lock: the export with a scripted poetry, and one build with the real one.

The real poetry is taken from this repository's own store, where the first session of a poetry
service has put it; the locked packages are wheels made here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from noxlib.environment import Order, build, build_tool, poetry
from noxlib.environment.job import Job
from noxlib.environment.locks import POETRY, Lock
from noxlib.environment.order import Say
from noxlib.environment.python import running
from noxlib.environment.wheel import assemble
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install, Service

REPOSITORY = Path(__file__).parents[2]
PYPROJECT = """\
[project]
name = "beta"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["tiny"]

[project.optional-dependencies]
more = ["other"]

[dependency-groups]
dev = ["grouped"]

[tool.poetry]
package-mode = false

[tool.poetry.group.test.dependencies]
tested = "*"
"""
CONTENT_HASH = "db9000266866185b54cd3b0a959148b73931c4e915159ee3753d6200f3eec29e"  # poetry's, of the above
SCRIPT = """#!/bin/sh
echo "$@" > "{seen}"
for word in "$@"; do case "$word" in --output=*) cp "{answer}" "${{word#--output=}}";; esac; done
echo "Warning: something" >&2
{end}
"""


def package(name: str, group: str, digest: str, extra: str = "") -> str:
    return f"""\
[[package]]
name = "{name}"
version = "1.0"
description = ""
optional = {"true" if extra else "false"}
python-versions = "*"
groups = ["{group}"]
{extra}
files = [{{file = "{name}-1.0-py3-none-any.whl", hash = "sha256:{digest}"}}]

"""


@pytest.fixture
def beta(tmp_path: Path) -> Path:
    folder = tmp_path / "beta"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "beta.py").write_text("import tiny\n", encoding="utf-8")
    (folder / "poetry.lock").touch()
    return folder


class Scripted:
    """A poetry that answers with a text, and remembers how it was called."""

    def __init__(self, folder: Path, answer: str, end: str = "") -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.seen = folder / "seen"
        (folder / "answer").write_text(answer, encoding="utf-8")
        script = self.folder / "poetry"
        text = SCRIPT.format(seen=self.seen, answer=folder / "answer", end=end)
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)

    def export(self, service: Path, install: Install | None = None) -> str:
        folder = service.parent / "venv"
        folder.mkdir()
        with (service.parent / "lock").open("w", encoding="utf-8") as held:
            job = Job(
                label="service beta",
                folder=folder,
                interpreter=running(),
                cwd=service,
                log=service.parent / "log",
                lock=held.fileno(),
                env={"PATH": os.defpath},
            )
            lock = Lock(path=service / "poetry.lock", kind=POETRY)
            locked = poetry.locked(job, lock, install or Install(), self.folder)
        assert locked.complete
        return locked.path.read_text(encoding="utf-8")


def test_all_groups_and_no_extras_are_exported_with_their_hashes(beta: Path) -> None:
    text = "tiny==1.0 \\\n    --hash=sha256:00\n"
    scripted = Scripted(beta.parent, text)
    assert scripted.export(beta) == text
    called = scripted.seen.read_text(encoding="utf-8")
    assert "--with=test --with=dev" in called
    assert "--extras" not in called
    assert "--without-hashes" not in called


def test_the_groups_and_extras_of_services_toml_are_exported(beta: Path) -> None:
    scripted = Scripted(beta.parent, "")
    scripted.export(beta, Install(groups=("dev",), extras=("more",)))
    called = scripted.seen.read_text(encoding="utf-8")
    assert "--with=dev --extras=more" in called
    assert "test" not in called.replace("requirements.txt", "").split("--output")[0]


def test_hashes_are_dropped_where_not_everything_has_one(beta: Path) -> None:
    scripted = Scripted(
        beta.parent, "here @ file:///here\ntiny==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
    )
    assert scripted.export(beta) == "here @ file:///here\ntiny==1.0\n"


def test_a_lock_older_than_pyproject_says_what_to_run(beta: Path) -> None:
    changed = "echo 'pyproject.toml changed significantly. Run `poetry lock` to fix the lock file.'; exit 1"
    with pytest.raises(EnvironmentBuildError, match=r"older than pyproject\.toml\n.*run `poetry lock`"):
        Scripted(beta.parent, "", changed).export(beta)


def test_another_failure_of_poetry_is_shown(beta: Path) -> None:
    with pytest.raises(
        EnvironmentBuildError, match=r"(?s)exporting poetry\.lock failed.*exit code 3.*broken"
    ):
        Scripted(beta.parent, "", "echo broken; exit 3").export(beta)


@pytest.fixture(scope="module")
def real_poetry() -> Path:
    lines = poetry.REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    store = REPOSITORY / ".nox" / "noxlib"
    store.mkdir(parents=True, exist_ok=True)
    return build_tool("poetry", lines, store)


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_real_poetry_lock_is_installed_exactly(
    tool: str, beta: Path, real_poetry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = beta.parent / "house"
    house.mkdir()
    digests: dict[str, str] = {}
    for name, version in (
        ("tiny", "1.0"),
        ("tiny", "2.0"),
        ("grouped", "1.0"),
        ("tested", "1.0"),
        ("other", "1.0"),
    ):
        data = assemble(name, version, {f"{name}.py": b""}, {})
        (house / f"{name}-{version}-py3-none-any.whl").write_bytes(data)
        digests.setdefault(name, hashlib.sha256(data).hexdigest())
    (beta / "poetry.lock").write_text(
        package("tiny", "main", digests["tiny"])
        + package("other", "main", digests["other"], "markers = 'extra == \"more\"'")
        + package("grouped", "dev", digests["grouped"])
        + package("tested", "test", digests["tested"])
        + '[extras]\nmore = ["other"]\n\n[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\n'
        + f'content-hash = "{CONTENT_HASH}"\n',
        encoding="utf-8",
    )

    def prepared(_: str, lines: Sequence[str], __: Path, say: Say) -> Path:
        say(f"poetry from {len(lines)} lines")
        return real_poetry

    monkeypatch.setattr("noxlib.environment.construction.build_tool", prepared)
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(house),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(beta.parent / "cache"))
    if tool == "pip":
        monkeypatch.setenv("NOXLIB_UV", "off")
    service = Service(name="beta", path="beta", source=("beta.py",))
    order = Order(service=service, folder=beta, python="", store=beta.parent / "store", tools=("tiny",))
    built = build(order)
    assert built.tool == "poetry"
    assert built.packages.keys() == {"tiny", "grouped", "tested", "noxlib"}
    assert built.packages["tiny"] == "1.0"
    (beta / "pyproject.toml").write_text(PYPROJECT.replace('["tiny"]', '["tiny", "other"]'), encoding="utf-8")
    with pytest.raises(EnvironmentBuildError, match=r"older than pyproject\.toml"):
        build(order)
