from __future__ import annotations

import math

import pytest

from plant.embeddings import DIMENSIONS, LARGEST, checked, digest
from plant.errors import BadEmbeddingError
from plant_embeddings import at_angle


def test_an_embedding_passes_as_it_is() -> None:
    assert checked(at_angle(30)) == at_angle(30)


def test_whole_numbers_become_floats() -> None:
    found = checked([1] * DIMENSIONS)
    assert {type(number) for number in found} == {float}


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ([1.0] * (DIMENSIONS - 1), "has 384 numbers, this one has 383"),
        ([1.0] * (DIMENSIONS + 1), "has 384 numbers, this one has 385"),
        ([0.0] * DIMENSIONS, "direction"),
        ([1e-9] * DIMENSIONS, "direction"),
        ([LARGEST * 1.01, *[0.0] * (DIMENSIONS - 1)], "between"),
        ([math.nan, *[1.0] * (DIMENSIONS - 1)], "between"),
        ([-math.inf, *[1.0] * (DIMENSIONS - 1)], "between"),
    ],
)
def test_what_is_no_embedding_is_refused(numbers: list[float], fault: str) -> None:
    with pytest.raises(BadEmbeddingError, match=fault):
        checked(numbers)


def test_a_digest_differs_when_one_number_does() -> None:
    assert digest(at_angle(1)) != digest(at_angle(1.001))
    assert digest(at_angle(1)) == digest(at_angle(1))


def test_a_digest_is_of_the_precision_that_is_stored() -> None:
    assert digest([0.1] * DIMENSIONS) == digest([0.1 + 1e-12] * DIMENSIONS)
