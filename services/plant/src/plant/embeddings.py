"""What counts as an embedding."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence

from plant.errors import BadEmbeddingError

DIMENSIONS = 384
# pgvector keeps four-byte floats: larger numbers would overflow when distances are summed, and a
# shorter vector would become zero, which has no direction and so no cosine.
LARGEST = 1e6
SHORTEST = 1e-6


def checked(numbers: Sequence[float]) -> list[float]:
    """Return the numbers as an embedding; raises BadEmbeddingError."""
    if len(numbers) != DIMENSIONS:
        raise BadEmbeddingError(f"An embedding has {DIMENSIONS} numbers, this one has {len(numbers)}.")
    if not all(abs(number) <= LARGEST for number in numbers):  # NaN isn't less than anything either
        raise BadEmbeddingError(f"An embedding's numbers lie between -{LARGEST:g} and {LARGEST:g}.")
    if math.hypot(*numbers) < SHORTEST:
        raise BadEmbeddingError("An embedding needs a direction: this one is zero.")
    return [float(number) for number in numbers]


def digest(numbers: Sequence[float]) -> str:
    """Return a short text that differs when an embedding does, in the precision that is stored."""
    return "sha256:" + hashlib.sha256(struct.pack(f"<{len(numbers)}f", *numbers)).hexdigest()
