"""Who is chosen for a hire: a pure function, so that a second try chooses the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.hires import Agent
from gateway.upstream.answers import Hit

FARTHEST = 0.6  # cosine distance beyond which a skill isn't what was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The idle agents by the name of their job role, which is the category of the skills it takes.

    `whole`: there are no others.
    """

    idle: Mapping[str, Sequence[Agent]]
    whole: bool = True


def choose(hire_id: UUID, hits: Sequence[Hit], roster: Roster) -> Agent | None:
    """Return an agent whose role takes the nearest skill for which there is somebody, or None.

    Among several the hire's id decides: hires are spread over them without a counter to agree on.
    """
    for hit in hits:
        agents = roster.idle.get(hit.skill.category, ())
        if hit.distance <= FARTHEST and agents:
            return min(agents, key=lambda agent: _lot(hire_id, agent.id))
    return None


def _lot(hire_id: UUID, agent_id: UUID) -> bytes:
    return hashlib.blake2b(hire_id.bytes + agent_id.bytes, digest_size=16).digest()
