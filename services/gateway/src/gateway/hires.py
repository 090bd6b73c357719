"""What a hire is, which steps it takes, and when two requests ask for the same one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID


class State(str, Enum):
    """Accepted, then matched with an agent, then done; or rejected, with a reason."""

    ACCEPTED = "accepted"
    MATCHED = "matched"
    DONE = "done"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        """Tell whether nothing follows."""
        return self in (State.DONE, State.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class HireOrder:
    """A hire that a client asks for, under a key that makes asking twice harmless."""

    client: str
    key: str
    skill: str
    payer: UUID
    payee: UUID
    fee: int  # minor units

    def fingerprint(self) -> bytes:
        """Return 32 bytes that are equal for equal hires; the key and the client don't count."""
        meaning = [self.skill, str(self.payer), str(self.payee), self.fee]
        return hashlib.sha256(json.dumps(meaning, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who is hired."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hire:
    """A hire as it stands."""

    id: UUID
    order: HireOrder
    state: State
    created_at: datetime
    updated_at: datetime
    agent: Agent | None = None
    transfer_id: UUID | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The step to an agent."""

    agent: Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step to the end: the fee is booked."""

    transfer_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The step to the other end; nothing was booked."""

    reason: str


Step = Matched | Done | Rejected
