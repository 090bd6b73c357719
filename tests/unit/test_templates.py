"""Templates: what stands in braces, what is wrong with it, what it becomes."""

from __future__ import annotations

import pytest

from noxlib import templates
from noxlib.errors import ConfigError


def test_placeholders_are_the_names_in_braces() -> None:
    assert templates.placeholders("{a}://{b_2}{a}/{{c}}/{ENV:HOME}") == {"a", "b_2", "ENV:HOME"}


def test_a_template_is_filled_and_doubled_braces_become_single_ones() -> None:
    filled = templates.fill('{{"url": "{host}:{port}"}}', {"host": "::1", "port": "80"}, "x")
    assert filled == '{"url": "::1:80"}'


def test_values_are_not_read_as_templates() -> None:
    assert templates.fill("{a}", {"a": "{b}"}, "x") == "{b}"


def test_variables_of_the_session_are_values_like_any_other() -> None:
    assert templates.fill("-D{ENV:DB}", {"ENV:DB": "x"}, "x") == "-Dx"


def test_a_value_that_is_missing_is_an_error_with_the_place() -> None:
    with pytest.raises(ConfigError) as caught:
        templates.fill("{prot}{x}", {"host": "h", "port": "1"}, "cs1.command[1]")
    assert str(caught.value).splitlines() == [
        "cs1.command[1]: unknown placeholder {prot}. Did you mean {port}? One of: {host}, {port}",
        "cs1.command[1]: unknown placeholder {x}. One of: {host}, {port}",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "a single {. Write {{ where the brace is meant"),
        ("a}b", "a single }. Write }} where the brace is meant"),
        ("{{{", "a single {. Write {{ where the brace is meant"),
        ("{}", "{} is no placeholder. Write {{}} where the braces are meant"),
        ("{ host }", "{ host } is no placeholder. Write {{ host }} where the braces are meant"),
        ("{ENV:A B}", "{ENV:A B} is no placeholder. Write {{ENV:A B}} where the braces are meant"),
        ("{x}", "unknown placeholder {x}. One of: {host}, {port}"),
        ("{ENV:A}", "unknown placeholder {ENV:A}. One of: {host}, {port}"),
        ("{host}{{x}}", ""),
    ],
)
def test_the_fault_of_a_template_says_what_to_write(text: str, expected: str) -> None:
    assert templates.fault(text, templates.PROCESS) == expected


def test_command_lines_may_name_variables() -> None:
    assert templates.fault("{ENV:A}{workers}", templates.COMMAND) == ""


def test_a_broken_template_is_not_filled() -> None:
    with pytest.raises(ConfigError, match=r"^here: a single \{\."):
        templates.fill("{", {}, "here")
