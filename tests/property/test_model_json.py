"""Whatever a value of the model holds, it comes back from JSON as it was."""

from __future__ import annotations

import dataclasses
import json
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib import model
from noxlib.model import from_json, to_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each, max_size=2)
)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a type hint as the model uses them."""
    origin, words = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([st.none() if each is type(None) else _values(each) for each in words])
    if origin is tuple:
        return st.lists(_values(words[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), _values(words[1]), max_size=2)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _instances(hint)
    plain = {
        str: st.text(max_size=8),
        int: st.integers(),
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        Any: _JSON,
    }
    return plain[hint]


def _instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: _values(hint) for name, hint in get_type_hints(kind).items()})


_CLASSES = [
    each for each in vars(model).values() if isinstance(each, type) and dataclasses.is_dataclass(each)
]


@pytest.mark.parametrize("kind", _CLASSES, ids=lambda each: each.__name__)
@settings(max_examples=15)  # a platform takes 100 ms to draw
@given(data=st.data())
def test_every_value_survives_json(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(_instances(kind))
    text = json.dumps(to_json(value), sort_keys=True)

    again = from_json(kind, json.loads(text))

    assert again == value
    assert json.dumps(to_json(again), sort_keys=True) == text
