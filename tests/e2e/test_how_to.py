"""What the tutorial and the how-to pages show is what one sees: outputs, examples, commands."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noxlib import launch
from noxlib.testing import NOXFILE, Project

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^`([\w./]+)`\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What differs from run to run and from machine to machine.
CHANGES = ((r"\d+\.\d s;", "N s;"), (r"(namespace|guarded) box", "box"), (r"PostgreSQL .*\)", "PostgreSQL"))


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page(name)) if found == language]


def settled(text: str) -> str:
    for pattern, word in CHANGES:
        text = re.sub(pattern, word, text)
    return text


class Shop(Project):
    """The tutorial's service; only the types that it has tests for are enabled."""

    off = "".join(
        f"[defaults.types.{kind}]\nenabled = false\n"
        for kind in ("property", "e2e", "stress", "race", "performance", "chaos")
    )

    def restore(self) -> None:
        for extra in self.folder.glob("tests/unit/test_extra*"):
            extra.unlink()
        self.write({**dict(FILE.findall(page("tutorial/first-service.md"))), "noxfile.py": NOXFILE})
        self.services(blocks("tutorial/first-service.md", "toml")[0])

    def services(self, text: str) -> None:
        """Write services.toml; the same types enabled, so that one virtualenv serves all pages."""
        self.write({"services.toml": text + self.off})

    def shell(self, line: str) -> launch.Completed:
        bin_folder = self.folder.parent / "bin"
        bin_folder.mkdir(exist_ok=True)
        for name, words in (("nox", "-m nox"), ("python", "")):
            script = bin_folder / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            script.chmod(0o755)
        env = self.environment({"PATH": f"{bin_folder}:{os.environ['PATH']}"})
        setting = launch.Setting(cwd=self.folder, env=env, sink=lambda _chunk: None)
        return launch.run(["sh", "-c", line], setting, timeout=120)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("docs") / "shop")


@pytest.fixture
def shop(built: Shop) -> Iterator[Shop]:
    built.restore()
    yield built
    built.restore()


def assert_shown(text: str, output: str) -> None:
    seen = settled(output)
    missing = [line for line in settled(text).splitlines() if line not in seen]
    assert missing == [], output


def test_the_tutorials_verdicts_are_those_one_sees(shop: Shop) -> None:
    passed, failed = blocks("tutorial/first-service.md", "text")[1:]
    shop.services(blocks("tutorial/first-service.md", "toml")[1].partition("[services.shop.types]")[0])
    done = shop.nox("-t", "all-types").assert_ok()
    assert_shown(passed, done.output)
    before, after = (line[1:] for line in blocks("tutorial/first-service.md", "diff")[0].splitlines())
    test = shop.folder / "tests/unit/test_shop.py"
    text = test.read_text(encoding="utf-8")
    assert before in text
    test.write_text(text.replace(before, after), encoding="utf-8")
    done = shop.nox("-s", "unit-shop").assert_failed()
    assert_shown(failed, done.output)
    for name in re.findall(r"`([\w.]+\.jsonl?)`", page("tutorial/first-service.md")):
        assert (done.run_folder("unit-shop") / name).exists()


def test_the_coverage_page_shows_the_gap(shop: Shop) -> None:
    shop.services(blocks("how-to/coverage.md", "toml")[0])
    more = "def total(prices):\n    return sum(prices)\n\n\ndef cheapest(prices):\n    return min(prices)\n"
    shop.write({"src/shop.py": more})
    shown = blocks("how-to/coverage.md", "text")[0]
    assert_shown(shown, shop.nox("-s", "unit-shop").assert_failed().output)
    shop.restore()
    for line in blocks("how-to/coverage.md", "console")[0].splitlines():
        done = shop.shell(line.removeprefix("$ "))
        assert done.code == 0, f"{line}\n{done.output}"
    written = re.findall(r"`(coverage\.(?:md|json|xml)|html/index\.html)`", page("how-to/coverage.md"))
    assert len(written) == 4
    assert [each for each in written if not (shop.folder / ".noxlib/report/coverage" / each).exists()] == []
