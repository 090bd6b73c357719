"""Embeddings whose distances are known beforehand."""

from __future__ import annotations

import math
import random

from plant.embeddings import DIMENSIONS


def at_angle(degrees: float, length: float = 1.0, plane: int = 0) -> list[float]:
    """Point into a plane: of the first two dimensions, or of two further ones."""
    turn = math.radians(degrees)
    embedding = [0.0] * DIMENSIONS
    embedding[2 * plane : 2 * plane + 2] = length * math.cos(turn), length * math.sin(turn)
    return embedding


def anywhere(seed: int) -> list[float]:
    """Point anywhere, the same for the same seed."""
    chance = random.Random(seed)
    return [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
