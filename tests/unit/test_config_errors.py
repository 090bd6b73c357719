"""services.toml as it should not be: each fault with the line that a user reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noxlib import config
from noxlib.config import problems
from noxlib.errors import ConfigError

A = '[services.a]\npath = "a"\n'
B = '[services.b]\npath = "b"\n'
NAME = "is no legal name: a lower-case letter, then at most 39 of a-z, 0-9, - and _"
RESERVED = ["unit", "chaos", "all-types", "coverage-report", "lint", "docs", "soak", "corpus"]
EXAMPLE = 'at the least: [services.<name>] and, below it, path = "<its folder>"'


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in "abc":
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(text: str | bytes) -> list[str]:
    """Load a text that is wrong; return the lines of the error, without the file's name."""
    Path("services.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        config.load(Path("services.toml"))
    return [line.removeprefix("services.toml:") for line in str(caught.value).splitlines()]


# --- the file -----------------------------------------------------------------------------------


def test_a_missing_file_is_named_with_what_to_write() -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(Path("services.toml"))
    assert str(caught.value) == f"services.toml: not found\n  to fix it: write one; {EXAMPLE}"


def test_a_folder_is_no_file() -> None:
    with pytest.raises(ConfigError, match=r"^a: is a folder"):
        config.load(Path("a"))


def test_a_pipe_is_no_file() -> None:
    os.mkfifo("services.toml")
    with pytest.raises(ConfigError, match=r"^services\.toml: is no regular file"):
        config.load(Path("services.toml"))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_path_that_cannot_be_is_said_to_be_unreadable(name: str) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        config.load(Path(name))


def test_an_unreadable_file_gives_the_systems_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("services.toml").write_text(A)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(ConfigError) as caught:
        config.load(Path("services.toml"))
    expected = "services.toml: can't be read: Permission denied\n  to fix it: make it readable"
    assert str(caught.value) == expected


def test_a_file_elsewhere_is_shown_by_its_whole_path(folders: Path) -> None:
    (folders / "services.toml").write_text("[platfrom]\n" + A)
    os.chdir(folders / "a")
    with pytest.raises(ConfigError) as caught:
        config.load(folders / "services.toml")
    assert str(caught.value).startswith(f"{folders}/services.toml:1: platfrom: unknown key.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [" is empty", f"  to fix it: {EXAMPLE}"]),
        ("# nothing\n", [" is empty", f"  to fix it: {EXAMPLE}"]),
        (b"#\n\xff\n", ["2: byte 2 (0xff) is not UTF-8", "  to fix it: save the file as UTF-8"]),
        ("a" * ((1 << 20) + 1), [" has 1048577 bytes, more than the limit of 1048576"]),
        ("a =", ["1: Invalid value (at the end of the file)"]),
        ("\na = 1 b\n", ["2:7: Expected newline or end of document after a statement"]),
        (A + A, ["3: services.a: is given twice, first on line 1. Remove one of the two"]),
        (A + 'path="b"', ["3: services.a.path: is given twice, first on line 2. Remove one of the two"]),
        ("a = " + "9" * 5000, [" a number has more digits than 64 bits can hold"]),
        ("a.b = 0x" + "f" * 50, ["1: a.b: is a number beyond 64 bits"]),
        ("a = " + "[" * 5000, [" is nested deeper than 32 levels"]),
        ("\na = " + "[" * 50 + "]" * 50, ["2: a[0][0]: is nested deeper than 32 levels"]),
        ("a." * 50 + "a = 1", ["1: a.a.a: is nested deeper than 32 levels"]),
    ],
)
def test_a_text_that_is_no_document_is_refused(text: str | bytes, expected: list[str]) -> None:
    assert faults(text) == expected


# --- shape --------------------------------------------------------------------------------------


def cases() -> list[tuple[str, list[str]]]:
    """Read config_faults.txt."""
    text = Path(__file__).with_name("config_faults.txt").read_text(encoding="utf-8")
    found = []
    for case in text.partition("\n\n")[2].strip().split("\n\n"):
        lines = case.splitlines()
        expected = [line.removeprefix("==> ") for line in lines if line.startswith("==> ")]
        found.append(("\n".join(lines[: -len(expected)]), expected))
    return found


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*case, id=case[1][0]) for case in cases()])
def test_what_does_not_fit_is_named_with_its_remedy(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


# --- names and limits ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a/b", "..", "A", "1a", "", "a.b", "x\\u001b[31m", "a\\n", "é", "a" * 41, "[key]"]
)
def test_a_service_with_a_hostile_name_is_refused(name: str) -> None:
    (line,) = faults(f'[services."{name}"]\npath = "a"\n{B}')
    shown = name.replace("é", "\\u00e9")
    assert line in (f'1: services."{shown}": {NAME}', f"1: services.{name}: {NAME}")


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_is_refused(name: str) -> None:
    expected = f'"{name}" is reserved: it is a session, a tag or a test type. Choose another name'
    assert faults(f'[services.{name}]\npath = "a"\n{B}') == [f"1: services.{name}: {expected}"]


def test_names_that_nox_takes_for_one_are_refused() -> None:
    text = '[services.a-10]\npath = "a"\n[services.a-1_0]\npath = "b"\n[services.class]\npath = "c"\n'
    expected = 'nox can\'t tell its sessions from those of "a-10". Rename one of them'
    assert faults(text) == [f"3: services.a-1_0: {expected}"]


def test_a_name_may_be_anything_that_python_cannot_read() -> None:
    text = "".join(f'[services.{name}]\npath = "a"\n' for name in ("class", "a-", "a-0z", "a-1or"))
    assert faults(text + "x = 1")[0].startswith("9: services.a-1or.x: unknown key.")


def test_a_long_value_is_cut() -> None:
    (line,) = faults(f"{A}install.tool = '{'x' * 99}'")
    assert f'unknown value "{"x" * 60}...".' in line


def test_other_names_are_checked_as_services_are() -> None:
    text = A + '[platform]\nname = "A"\n[scenarios."x y"]\n[services.a.postgres.B]\n'
    assert faults(text) == [
        f"4: platform.name: {NAME}",
        f'5: scenarios."x y": {NAME}',
        f"6: services.a.postgres.B: {NAME}",
    ]


def test_more_services_than_the_limit_are_refused_at_once() -> None:
    text = "\n".join(f"[services.s{number}]" for number in range(501))
    assert faults(text) == ["1: services: 501 are more than the limit of 500"]


def test_a_long_list_of_problems_is_cut() -> None:
    lines = faults("\n".join(f'[services.s{number}]\npath = "a"\nx = 1' for number in range(60)))
    assert len(lines) == problems.MOST_SHOWN + 1
    assert lines[-1] == " and 10 more problems"


# --- between keys -------------------------------------------------------------------------------


def test_a_service_that_is_wrong_itself_is_no_unknown_service() -> None:
    text = A + "depends_on = ['b']\ntypes.e2e.needs = ['redis']\nredis = 3\n"
    text += "[services.b]\nprocess.command = 'x'\n"
    assert faults(text) == [
        "5: services.a.redis: must be a table, not the integer 3",
        '6: services.b.path: is missing. Add the key "path"',
        '7: services.b.process.command: must be an array, not the string "x"',
    ]


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = "[platfrom]\n" + A + "depends_on = ['x']\nsource = ['nope']\n[services.b]\npath = 'c/c'\n"
    assert faults(text) == [
        '1: platfrom: unknown key. Did you mean "platform"? One of: platform, defaults, services, scenarios',
        '4: services.a.depends_on[0]: unknown service "x". One of: b',
        '5: services.a.source[0]: nope: no such folder in "a". Give folders relative to the service\'s',
        "7: services.b.path: c/c: no such folder. Give the service's folder, relative to services.toml's",
    ]


@pytest.mark.parametrize("path", ["services.toml", "services.toml/x", "x" * 5000])
def test_a_path_that_is_no_folder_is_refused(path: str) -> None:
    fault = "is not a folder" if path == "services.toml" else "no such folder"
    (line,) = faults(f'[services.a]\npath = "{path}"')
    remedy = "Give the service's folder, relative to services.toml's"
    assert line == f"2: services.a.path: {path}: {fault}. {remedy}"


def test_a_path_with_control_characters_is_refused() -> None:
    assert faults('[services.a]\npath = "a\\u001b[2J"\n' + B) == [
        "2: services.a.path: must not contain control characters"
    ]


# --- servers, processes, approvals --------------------------------------------------------------


def test_a_postgres_that_is_no_table_is_refused() -> None:
    assert faults(A + "postgres = true") == ["3: services.a.postgres: must be a table, not the boolean true"]


@pytest.mark.parametrize("expires", ["2027-01-01T00:00:00", "'soon'", "3"])
def test_an_approval_expires_on_a_day(expires: str) -> None:
    rest = "test = 'x'\nkind = 'skip'\nissue = '1'\nreason = 'r'\nowner = 'o'\n"
    (line,) = faults(f"{A}[[services.a.approvals]]\nexpires = {expires}\n{rest}")
    assert line.startswith("4: services.a.approvals[0].expires: must be a date such as 2027-03-01, not ")
