"""From the outbox to the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from gateway.stream import Queued

BATCH = 100
LONGEST_QUEUE = 1000  # messages; the rest of a backlog waits in the outbox


class Outbox(Protocol):
    """What the relay asks of the store."""

    def publish(self, send: Callable[[Sequence[UUID]], None], lease: float, most: int) -> int:
        """Hand what is due to `send`, `most` at once, and remember that, or nothing of it."""

    def forget_publications(self) -> int:
        """Have all that is unfinished published again."""


class Queue(Protocol):
    """What the relay asks of the stream."""

    def ensure(self) -> bool:
        """Create the queue where it is missing, and tell whether it was."""

    def add(self, hire_ids: Sequence[UUID]) -> None:
        """Append a message for each."""

    def queued(self) -> Queued:
        """Tell how much is in the queue, and since when."""


class Relay:
    """Publish what is due: at least once, so that nothing is lost between two stores.

    It adds to the queue before it commits that it has. A crash between the two publishes twice,
    which costs a worker one look at a hire that is finished or held by another.

    Messages are taken in the order of their coming. So one that was added a lease before the oldest
    that is still there was lost; whatever is younger may only be waiting for its turn.
    """

    def __init__(self, outbox: Outbox, queue: Queue, lease: float) -> None:
        """Take where from, where to, and the seconds after which a message can be lost."""
        self._outbox = outbox
        self._queue = queue
        self._lease = lease

    def step(self) -> bool:
        """Publish a batch; tell whether there was anything to publish."""
        if self._queue.ensure():
            self._outbox.forget_publications()
        queued = self._queue.queued()
        room = min(LONGEST_QUEUE - queued.messages, BATCH)
        return room > 0 and self._outbox.publish(self._queue.add, self._lease + queued.oldest, room) > 0
