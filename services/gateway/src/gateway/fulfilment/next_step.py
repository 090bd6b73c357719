"""The next step of a hire: find somebody at plant, book the fee at cs1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from gateway.errors import UpstreamRefusedError, UpstreamUnavailableError
from gateway.fulfilment.roster import Roster, choose
from gateway.hires import Done, Hire, Matched, Rejected, State, Step
from gateway.upstream.answers import Hit

MOST_HITS = 5


class Directory(Protocol):
    """What is asked of plant."""

    def search(self, text: str, limit: int) -> Sequence[Hit]:
        """Return the skills that a text is nearest to, nearest first."""


class Rosters(Protocol):
    """Who is idle at plant."""

    def value(self) -> Roster:
        """Return a roster that may be some seconds old."""

    def renewed(self) -> Roster:
        """Return one that isn't."""


class Books(Protocol):
    """What is asked of cs1."""

    def book(self, hire: Hire) -> UUID:
        """Book a hire's fee once; return the transfer's id.

        Raises UpstreamRefusedError when nothing was booked, and nothing will be.
        """


class NextStep:
    """Do the next step's work. An agent is found before the fee is booked, and is not looked for again."""

    def __init__(self, directory: Directory, rosters: Rosters, books: Books) -> None:
        """Take plant, who is idle there, and cs1."""
        self._directory = directory
        self._rosters = rosters
        self._books = books

    def __call__(self, hire: Hire) -> Step:
        """Return the step. What it raises decides nothing: the step is to be tried again later."""
        return self._book(hire) if hire.state is State.MATCHED else self._match(hire)

    def _book(self, hire: Hire) -> Step:
        try:
            return Done(transfer_id=self._books.book(hire))
        except UpstreamRefusedError as error:
            return Rejected(reason=str(error))

    def _match(self, hire: Hire) -> Step:
        hits = self._directory.search(hire.order.skill, MOST_HITS)
        agent = choose(hire.id, hits, self._rosters.value())
        if agent is not None:
            return Matched(agent=agent)
        roster = self._rosters.renewed()  # an end is not to be told from an old roster, nor from a part
        agent = choose(hire.id, hits, roster)
        if agent is not None:
            return Matched(agent=agent)
        if not roster.whole:
            raise UpstreamUnavailableError("plant", "has more staff than could be looked through")
        return Rejected(reason="Nobody who can do that is free.")
