"""From the queue to a hire's end."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from gateway.errors import DatabaseUnavailableError, GatewayError
from gateway.hires import Hire, Step
from gateway.stream import Message

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds until a hire is tried again

logger = logging.getLogger(__name__)


class Claimed(Protocol):
    """One hire under its lock."""

    @property
    def hire(self) -> Hire:
        """The hire as it stands."""

    @property
    def attempts(self) -> int:
        """How often it was postponed."""

    def take(self, step: Step) -> None:
        """Write what the work came to."""


class Hires(Protocol):
    """What the worker asks of the store."""

    def claim(self, hire_id: UUID) -> AbstractContextManager[Claimed | None]:
        """Lock an unfinished hire; None where there is none to lock."""

    def postpone(self, hire_id: UUID, error: str, seconds: float) -> None:
        """Have a hire published again after some seconds."""


class Queue(Protocol):
    """What the worker asks of the stream."""

    def take(self, consumer: str, block: float) -> Message | None:
        """Return a message to work on, or None when there was none for `block` seconds."""

    def done(self, message: Message) -> None:
        """Take a message out of the queue."""


class Worker:
    """Bring hires to their end, each step under the hire's lock and committed by itself.

    What fails in passing is tried again later, for ever: the fee may have been booked, and then
    nothing but the same request with the same key can tell. A refusal fails in passing too: which
    ones are an end is for `next_step` to say, by its step.
    """

    def __init__(
        self, name: str, hires: Hires, queue: Queue, next_step: Callable[[Hire], Step], block: float
    ) -> None:
        """Take what does the work: `next_step` raises what an upstream can do wrong."""
        self._name = name
        self._hires = hires
        self._queue = queue
        self._next_step = next_step
        self._block = block

    def step(self) -> bool:
        """Work on one message, waiting for it; False: at once for the next."""
        message = self._queue.take(self._name, self._block)
        if message is not None:
            self._fulfil(message.hire_id)
            self._queue.done(message)
        return True

    def _fulfil(self, hire_id: UUID) -> None:
        attempts = 0
        try:
            while True:
                with self._hires.claim(hire_id) as claim:
                    if claim is None:
                        return
                    attempts = claim.attempts
                    claim.take(self._next_step(claim.hire))
        except DatabaseUnavailableError:
            raise  # nothing can be remembered: the message stays, to be taken over after its lease
        except GatewayError as error:
            logger.warning("postponed", extra={"fields": {"hire": str(hire_id), "cause": str(error)}})
            self._hires.postpone(hire_id, str(error), max(backoff(attempts), error.retry_after or 0.0))
        except Exception as error:  # nobody foresaw it: one hire must not hold up the others
            logger.warning("postponed", exc_info=error, extra={"fields": {"hire": str(hire_id)}})
            self._hires.postpone(hire_id, type(error).__name__, backoff(attempts))


def backoff(attempts: int) -> float:
    """Return the seconds until the next try: doubled each time, up to half of it left to chance."""
    whole = min(FIRST_PAUSE * 2.0 ** min(attempts, 16), LONGEST_PAUSE)
    return whole * random.uniform(0.5, 1.0)  # noqa: S311  spreads the tries, hides nothing
