"""From the outbox to the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID


class Outbox(Protocol):
    """What the relay asks of the store."""

    def publish(self, send: Callable[[Sequence[UUID]], None], lease: float) -> int:
        """Hand what is due to `send` and remember that, or nothing of it."""

    def forget_publications(self) -> int:
        """Have all that is unfinished published again."""


class Queue(Protocol):
    """What the relay asks of the stream."""

    def ensure(self) -> bool:
        """Create the queue where it is missing, and tell whether it was."""

    def add(self, hire_ids: Sequence[UUID]) -> None:
        """Append a message for each."""


class Relay:
    """Publish what is due: at least once, so that nothing is lost between two stores.

    It adds to the queue before it commits that it has. A crash between the two publishes twice,
    which costs a worker one look at a hire that is finished or held by another.
    """

    def __init__(self, outbox: Outbox, queue: Queue, lease: float) -> None:
        """Take where from, where to, and the seconds until a message counts as lost."""
        self._outbox = outbox
        self._queue = queue
        self._lease = lease

    def step(self) -> bool:
        """Publish a batch; tell whether there was anything to publish."""
        if self._queue.ensure():
            self._outbox.forget_publications()
        return self._outbox.publish(self._queue.add, self._lease) > 0
