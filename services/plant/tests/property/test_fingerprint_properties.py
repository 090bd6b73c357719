from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plant.fingerprints import fingerprint

SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5)
VALUES = SCALARS | st.lists(st.floats(-9, 9), max_size=3)
BODIES = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


def told_apart(value: Any) -> Any:
    """Tell 1 from True and from 1.0, and 0.0 from -0.0, as JSON does."""
    if isinstance(value, list):
        return [told_apart(each) for each in value]
    return (type(value), repr(value))


@given(one=BODIES, other=BODIES)
def test_bodies_have_one_fingerprint_only_when_they_mean_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = {key: told_apart(value) for key, value in one.items()} == {
        key: told_apart(value) for key, value in other.items()
    }
    assert (fingerprint("skill", one) == fingerprint("skill", other)) == same


@given(body=BODIES, pick=st.randoms(use_true_random=False))
def test_the_order_of_keys_never_counts(body: dict[str, Any], pick: Any) -> None:
    keys = list(body)
    pick.shuffle(keys)
    assert fingerprint("skill", {key: body[key] for key in keys}) == fingerprint("skill", body)
