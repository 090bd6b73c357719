"""Embeddings whose distances are known beforehand."""

from __future__ import annotations

import math
import random

from plant.embeddings import DIMENSIONS


def at_angle(degrees: float, length: float = 1.0) -> list[float]:
    """Point into the plane of the first two dimensions."""
    turn = math.radians(degrees)
    return [length * math.cos(turn), length * math.sin(turn)] + [0.0] * (DIMENSIONS - 2)


def anywhere(seed: int) -> list[float]:
    """Point anywhere, the same for the same seed."""
    chance = random.Random(seed)
    return [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
