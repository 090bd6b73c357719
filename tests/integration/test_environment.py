"""Real virtualenvs, uv and pip, without network: the packages are made here, found by pip's settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from alpha_service import BACKEND, Alpha, ask

from noxlib import launch
from noxlib.environment import build_tool, uv
from noxlib.errors import EnvironmentBuildError
from noxlib.model import Install


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


def test_a_types_own_requirements_are_added_without_a_word(alpha: Alpha) -> None:
    plain = alpha.build(tools=())
    alpha.said.clear()
    more = alpha.build(tools=(), requirements=("other",))
    assert more.added == ("other==1.0",)
    assert more.key != plain.key
    assert not [line for line in alpha.said if "beside" in line]


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
