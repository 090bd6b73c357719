"""The scanner: on which line each key of a TOML text stands."""

from __future__ import annotations

import pytest

from noxlib.config.positions import line_of, positions, scan


def lines(text: str) -> list[tuple[str, int]]:
    return [(".".join(map(str, path)), line) for path, line in scan(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nb.c = 2", [("a", 1), ("b.c", 2)]),
        ("\r\n[a]\r\nb = 1\r\n", [("a", 2), ("a.b", 3)]),
        ("[a . b]\n  c\t= 1 # d = 2\n", [("a.b", 1), ("a.b.c", 2)]),
        (
            "[[a]]\nx = 1\n[a.b]\n[[a]]\nx = 1",
            [("a.0", 1), ("a.0.x", 2), ("a.0.b", 3), ("a.1", 4), ("a.1.x", 5)],
        ),
        (
            "[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]",
            [("a.0", 1), ("a.0.b.0", 2), ("a.0.b.1", 3), ("a.1", 4), ("a.1.b.0", 5)],
        ),
        ("a = [\n  1, # ]\n  [2],\n]\nb = 1", [("a", 1), ("b", 5)]),
        ("a = { b = { c = '}' }, d = [1] }\ne = 1", [("a", 1), ("e", 2)]),
        ('a = """\nb = 1\n"""\nc = 1', [("a", 1), ("c", 4)]),
        ("a = '''\n# '\n'''''\nc = 1", [("a", 1), ("c", 4)]),
        ('a = """x\\"""\n"""""\nc = 1', [("a", 1), ("c", 3)]),
        ('a = "# \\" [" # "\nc = \'"\'\nd = 1', [("a", 1), ("c", 2), ("d", 3)]),
        ('a = ["]", """\n]"""]\nb = 1', [("a", 1), ("b", 3)]),
        ('"a.b".\'c d\' = 1\n"\\u00e9\\"" = 2\n"" = 3', [("a.b.c d", 1), ('é"', 2), ("", 3)]),
        ("a = 2026-01-01 00:00:00\n3.1 = 'x'", [("a", 1), ("3.1", 2)]),
    ],
)
def test_a_key_has_the_line_that_it_stands_on(text: str, expected: list[tuple[str, int]]) -> None:
    assert lines(text) == expected


@pytest.mark.parametrize(
    "text",
    ["=", "a", "[", "[[a", "a = [", 'a = """', 'a = "', "a = '\n", '"\\q" = 1', "a.", "]]", "a = {'", '"'],
)
def test_a_broken_text_ends_the_scan_quietly(text: str) -> None:
    assert len(lines(text)) <= 2


def test_a_table_that_nobody_wrote_has_the_line_of_its_first_part() -> None:
    found = positions("\n[a.b]\nc.d = 1\n[a]\n")
    assert found == {(): 1, ("a",): 4, ("a", "b"): 2, ("a", "b", "c"): 3, ("a", "b", "c", "d"): 3}


def test_a_key_without_a_line_has_its_parents() -> None:
    found = positions("[a]\nb = { c = 1 }\n")
    assert line_of(found, ("a", "b", "c", 0)) == 2
    assert line_of(found, ("a", "x")) == 1
    assert line_of(found, ("z",)) == 1
