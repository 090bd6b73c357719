"""The documentation's own promises: links that lead somewhere, tables that are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noxlib import config, errors

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if found == language
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_every_services_toml_loads(page: str, text: str, tmp_path: Path) -> None:
    for folder in re.findall(r'^path = "(.+)"', text, re.MULTILINE):
        (tmp_path / folder / "src/cs1").mkdir(parents=True, exist_ok=True)
    for folder in re.findall(r'^source = \["(.+)"\]', text, re.MULTILINE):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "services.toml").write_text(text, encoding="utf-8")
    assert config.load(tmp_path / "services.toml").services, page


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_every_python_block_compiles(page: str, text: str) -> None:
    assert compile(text, page, "exec")


def test_every_exit_code_is_listed() -> None:
    text = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    missing = [each.__name__ for each in classes if f"| {each.exit_code} | {each.__name__} |" not in text]
    assert missing == []


def test_every_environment_variable_is_listed() -> None:
    text = (ROOT / "docs/reference/environment-variables.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("noxlib/**/*.py"))
    used = set(re.findall(r'"(NOXLIB_[A-Z_]+)"', code))
    assert {name for name in used if f"`{name}`" not in text} == set()
