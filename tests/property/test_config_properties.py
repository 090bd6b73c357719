"""Whatever stands in services.toml: it loads, or it is a ConfigError with a place."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noxlib import config, templates
from noxlib.config.positions import positions, scan
from noxlib.errors import ConfigError
from noxlib.model import Platform, from_json, to_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORDS = """
platform defaults services scenarios name pythons env pass_env tools path source depends_on install coverage
postgres redis process types approvals unit integration stress performance enabled timeout needs thresholds
command ready http tcp log settings seed audit test kind issue reason owner expires p95 a b 1 "x/y" '' "[key]"
"""
VALUES = """
1 -1 0 1.5 inf nan true false "a" "." "b" "5m" "3.12" "skip" "{host}" "{" "x.sql" ["a"] [] {} ["b"] [1, "a"]
{a=1} {path="."} [{name="x"}] 2027-03-01 2027-03-01T00:00:00
"2027-03-01" "" "postgres" ["process"] ["postgres"]
"\\u0000" "\\u001b" 0xffffffffffffffffff 9e999 [[[[]]]]
"""

SOUND = """
types.unit.timeout = "5m"
env = { A = "b" }
postgres.settings.jit = true
postgres.audit.port = 5433
redis = {}
process = { command = ["{port}"], ready = { http = "/" } }
pythons = ["3.12"]
[services.b]
[platform]
[scenarios.s]
path = "."
source = ["."]
"""

keys = st.sampled_from(WORDS.split())
dotted = st.lists(keys, min_size=1, max_size=5).map(".".join)
values = st.sampled_from([value for value in re.split(r"[ \n](?![^\[{]*[\]}])", VALUES) if value])
statements = st.one_of(
    st.sampled_from(SOUND.strip().splitlines()),
    st.sampled_from(SOUND.strip().splitlines()),
    st.builds("[{}]".format, dotted),
    st.builds("[services.{}]".format, dotted),
    st.builds("[[services.a.{}]]".format, keys),
    st.builds("{} = {}".format, dotted, values),
    st.builds("{} = {}".format, dotted, values),
)
texts = st.one_of(
    st.text(max_size=60),
    st.lists(statements, max_size=12).map("\n".join),
    st.lists(statements, max_size=12).map(lambda lines: "\n".join(['[services.a]\npath = "."', *lines])),
)


def load(text: str | bytes) -> Platform:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "services.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
        return config.load(path)


def check(text: str | bytes) -> None:
    try:
        platform = load(text)
    except ConfigError as error:
        for line in str(error).splitlines():
            assert line.isprintable()
            assert "services.toml" in line or line.startswith("  to fix it: ")
        return
    assert json.loads(json.dumps(to_json(platform), allow_nan=True)).keys() == {
        "name",
        "services",
        "scenarios",
    }


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(texts)
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    check(text)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_load_or_are_a_config_error(data: bytes) -> None:
    check(data)


table = st.deferred(
    lambda: st.dictionaries(
        st.sampled_from(WORDS.replace("'", '"').replace('""', "q").split()), value, max_size=5
    )
)
value: st.SearchStrategy[Any] = st.deferred(
    lambda: st.one_of(
        table,
        st.integers(-5, 5),
        st.booleans(),
        st.sampled_from(["a", ".", "5m", "3.12", "{host}"]),
        st.lists(st.one_of(st.sampled_from(["a", "b"]), table), max_size=3),
    )
)


def inline(item: Any) -> str:
    if isinstance(item, dict):
        return "{" + ", ".join(f"{key} = {inline(inner)}" for key, inner in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(inline, item)) + "]"
    return json.dumps(item)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["a", "b", "unit"]), table, max_size=3), table)
def test_any_document_loads_or_is_a_config_error(services: dict[str, Any], types: dict[str, Any]) -> None:
    given_services = {name: {"path": ".", "types": types, **service} for name, service in services.items()}
    check(f"services = {inline(given_services)}\ndefaults = {inline({'types': types})}\n")


# --- valid documents ----------------------------------------------------------------------------

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
environments = st.dictionaries(st.from_regex(r"[A-Z_]{1,6}", fullmatch=True), words, max_size=2)
literals = words.map(lambda text: text.replace("{", "{{").replace("}", "}}"))
suites = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.one_of(st.integers(1, 999).map("{}ms".format), st.floats(0.1, 999)),
        "env": environments,
        "workers": st.one_of(st.just("auto"), st.integers(0, 8)),
        "args": st.lists(literals, max_size=2),
        "fail_under": st.integers(0, 100),
    },
)
services = st.fixed_dictionaries(
    {"path": st.just(".")},
    optional={
        "env": environments,
        "pythons": st.lists(st.sampled_from(["3.10", "3.12", "3.14"]), unique=True),
        "types": st.dictionaries(st.sampled_from(["unit", "e2e", "stress"]), suites),
        "postgres": st.one_of(
            st.fixed_dictionaries({}, optional={"settings": st.dictionaries(names, words, max_size=2)}),
            st.fixed_dictionaries({"audit": st.fixed_dictionaries({"port": st.integers(1, 65535)})}),
        ),
        "process": st.fixed_dictionaries({"command": st.lists(literals, min_size=1, max_size=2)}),
    },
)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.from_regex(r"app[a-z]{1,6}", fullmatch=True), services, min_size=1, max_size=3))
def test_a_platform_survives_json_and_the_cache(document: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "services.toml"
        path.write_text(f"services = {toml(document)}", encoding="utf-8", newline="")
        platform = config.load(path, Path(folder) / "cache")
        assert config.load(path, Path(folder) / "cache") == platform
    assert from_json(Platform, json.loads(json.dumps(to_json(platform)))) == platform
    for name, service in document.items():
        assert platform.services[name].env == service.get("env", {})


def toml(item: Any) -> str:
    """Write a value inline; keys and strings as TOML's basic strings."""
    if isinstance(item, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(toml, item)) + "]"
    if isinstance(item, str):
        return '"' + "".join(f"\\U{ord(sign):08x}" if not sign.isalnum() else sign for sign in item) + '"'
    return json.dumps(item)


# --- the scanner --------------------------------------------------------------------------------

PIECES = ["'", '"', "#", "[", "]", "{", "}", "=", ".", ",", "\\\\", "a", " ", "\n"]
contents = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
basic = contents.map(lambda text: '"' + text.replace('"', '\\"').replace("\n", "\\n") + '"')
literal = contents.map(lambda text: "'" + text.replace("'", "").replace("\n", "") + "'")
ends = st.sampled_from(['"""', '\\""""', '""""', '"""""'])
block = st.builds(lambda text, end: '"""' + text.replace('"', "''") + end, contents, ends)
raw_block = contents.map(lambda text: "'''" + text.replace("'", "") + "'''''")
scalar = st.one_of(basic, literal, block, raw_block, st.sampled_from(["1", "2027-01-01", "true"]))
array = st.lists(scalar, max_size=3).map(lambda items: "[ # ] '\n" + " ,\n".join(items) + "\n]")
nested = st.lists(st.one_of(scalar, array), max_size=3).map(
    lambda items: "{" + ", ".join(f"k{index} = {item}" for index, item in enumerate(items)) + "}"
)
written_key = st.one_of(
    st.sampled_from(["a", "b", "3", '"c.d"', "'e f'", '"\\u00e9"', '"x\\"y"']), basic, literal
)
written_path = st.lists(written_key, min_size=1, max_size=3).map(" . ".join)
line = st.one_of(
    st.builds("[ {} ] # [x]".format, written_path),
    st.builds("[[{}]]".format, written_path),
    st.builds("{}={}".format, written_path, st.one_of(scalar, array, nested)),
    st.builds("  {} = {} # = '".format, written_path, st.one_of(scalar, array, nested)),
    st.just("# 'comment [\n"),
)


def paths(item: Any, base: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield base
    inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, part in inner:
        yield from paths(part, (*base, key))


def grown(lines: list[str]) -> str:
    """Return the lines that TOML accepts one after the other."""
    text = ""
    for new in lines:
        try:
            tomllib.loads(text + new + "\n")
        except tomllib.TOMLDecodeError:
            continue
        text += new + "\n"
    return text


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(line, max_size=10))
def test_the_scanner_finds_the_keys_that_the_parser_finds(lines: list[str]) -> None:
    text = grown(lines)
    known = set(paths(tomllib.loads(text)))
    found = positions(text)
    assert set(found) <= known
    inside_values = known - set(found)
    whole = {path for path, _ in scan(text)}
    assert all(any(path[:length] in whole for length in range(len(path))) for path in inside_values)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["x = 1", "[t]", "y = '''\n\n'''", "z = [\n1\n]", "# c", ""]), max_size=10))
def test_each_line_is_where_its_key_begins(lines: list[str]) -> None:
    numbered = [re.sub("^([a-z]|\\[t)", rf"\g<1>{index}", text) for index, text in enumerate(lines)]
    text = "\n".join(numbered)
    written = text.split("\n")
    for path, number in scan(text):
        assert str(path[-1]) in written[number - 1]


@given(st.text(max_size=40))
def test_the_scanner_never_raises(text: str) -> None:
    assert positions(text)[()] == 1


# --- templates ----------------------------------------------------------------------------------


@given(st.text(max_size=40))
def test_an_escaped_text_is_filled_with_itself(text: str) -> None:
    assert templates.fill(text.replace("{", "{{").replace("}", "}}"), {}, "x") == text


@given(st.text(alphabet="{}ab:ENV", max_size=20))
def test_a_template_without_a_fault_can_be_filled(text: str) -> None:
    fault = templates.fault(text, ("a", "b"))
    if fault:
        with pytest.raises(ConfigError):
            templates.fill(text, {"a": "1", "b": "2"}, "x")
    else:
        assert templates.fill(text, {"a": "1", "b": "2"}, "x").count("a") <= text.count("a")
