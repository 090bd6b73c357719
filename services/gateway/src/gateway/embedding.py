"""Texts as points, near to each other when they share words and parts of words.

Feature hashing: each word and each group of three letters adds to one of 384 numbers, chosen by its
hash. No model, no file, the same everywhere and for ever; a works that wants synonyms found puts a
language model in this module's place.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator

DIMENSIONS = 384
WORD = re.compile(r"\w+")
WORD_WEIGHT = 2.0  # of a whole word, against 1 for three letters


def embed(text: str) -> list[float]:
    """Return a point at distance 1 from the origin; raises ValueError for a text without words."""
    numbers = [0.0] * DIMENSIONS
    for feature, weight in _features(text.casefold()):
        place = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=4).digest(), "big")
        numbers[place % DIMENSIONS] += weight
    length = math.hypot(*numbers)
    if not length:
        raise ValueError("a text without a word has no meaning")
    return [number / length for number in numbers]


def distance(one: list[float], other: list[float]) -> float:
    """Return the cosine distance of two points, as plant measures it: 0 for the same direction."""
    return 1.0 - sum(a * b for a, b in zip(one, other, strict=True))


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word in WORD.findall(text):
        yield f"={word}", WORD_WEIGHT
        framed = f" {word} "
        for start in range(len(framed) - 2):
            yield framed[start : start + 3], 1.0
