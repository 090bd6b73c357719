"""The next step of a hire: find somebody at plant, book the fee at cs1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from gateway.fulfilment.roster import Roster, choose
from gateway.hires import Done, Hire, Matched, Rejected, State, Step
from gateway.upstream.answers import Hit

MOST_HITS = 5


class Directory(Protocol):
    """What is asked of plant."""

    def search(self, text: str, limit: int) -> Sequence[Hit]:
        """Return the skills that a text is nearest to, nearest first."""


class Books(Protocol):
    """What is asked of cs1."""

    def book(self, hire: Hire) -> UUID:
        """Book a hire's fee once; return the transfer's id."""


class NextStep:
    """Do the next step's work. An agent is found before the fee is booked, and is not looked for again."""

    def __init__(self, directory: Directory, roster: Callable[[], Roster], books: Books) -> None:
        """Take plant, who is idle there, and cs1."""
        self._directory = directory
        self._roster = roster
        self._books = books

    def __call__(self, hire: Hire) -> Step:
        """Return the step; raises UpstreamUnavailableError and UpstreamRefusedError."""
        if hire.state is State.MATCHED:
            return Done(transfer_id=self._books.book(hire))
        hits = self._directory.search(hire.order.skill, MOST_HITS)
        agent = choose(hire.id, hits, self._roster())
        return Rejected(reason="Nobody who can do that is free.") if agent is None else Matched(agent=agent)
