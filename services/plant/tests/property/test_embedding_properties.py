from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.embeddings import DIMENSIONS, LARGEST, SHORTEST, checked, digest
from plant.errors import BadEmbeddingError

NUMBERS = st.floats(-LARGEST, LARGEST)
SPARSE = st.dictionaries(st.integers(0, DIMENSIONS - 1), NUMBERS, max_size=8)


def spread(values: dict[int, float]) -> list[float]:
    return [values.get(place, 0.0) for place in range(DIMENSIONS)]


@given(values=SPARSE)
def test_numbers_within_bounds_pass_unless_they_have_no_direction(values: dict[int, float]) -> None:
    numbers = spread(values)
    if math.hypot(*numbers) < SHORTEST:
        with pytest.raises(BadEmbeddingError, match="direction"):
            checked(numbers)
    else:
        assert checked(numbers) == numbers


@given(values=SPARSE, place=st.integers(0, DIMENSIONS - 1), odd=st.floats())
def test_one_number_out_of_bounds_spoils_all(values: dict[int, float], place: int, odd: float) -> None:
    numbers = spread({**values, place: odd})
    if math.isfinite(odd) and abs(odd) <= LARGEST:
        return
    with pytest.raises(BadEmbeddingError, match="between"):
        checked(numbers)


@given(count=st.integers(0, 2 * DIMENSIONS))
def test_only_384_numbers_are_an_embedding(count: int) -> None:
    if count == DIMENSIONS:
        assert len(checked([1.0] * count)) == count
    else:
        with pytest.raises(BadEmbeddingError, match=f"has {count}"):
            checked([1.0] * count)


@given(values=SPARSE)
def test_what_passes_has_a_finite_digest_and_length_in_four_bytes(values: dict[int, float]) -> None:
    numbers = spread({0: 1.0, **values})
    assert math.isfinite(sum(number * number for number in numbers))
    assert digest(numbers) == digest(list(numbers))
