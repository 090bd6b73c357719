"""Clients who hire without a pause, and repeat what they got no answer to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from uuid import uuid4

import httpx2

from gateway_platform import Platform

START = 1_000_000
PAUSE = 0.05  # seconds before the next request, the same or another


@dataclass
class Traffic:
    """What was asked and what came back: `acknowledged` holds hire ids by idempotency key."""

    platform: Platform
    payer: str
    payee: str
    stop: Event = field(default_factory=Event)
    acknowledged: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def wait_for(self, count: int, within: float = 20.0) -> None:
        """Return when `count` more hires were acknowledged than now."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + within
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} of {wanted} hires"
            time.sleep(0.01)

    def wait_for_failures(self, within: float = 20.0) -> None:
        """Return when a request has failed that was sent after now."""
        before, deadline = self.failures, time.monotonic() + within
        while self.failures == before:
            assert time.monotonic() < deadline, "no request failed"
            time.sleep(0.01)

    @property
    def failures(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 202)

    def hire(self) -> None:
        """Ask for one hire after the other until told to stop; finish the last one."""
        while not self.stop.is_set():
            self._hire_once()
            time.sleep(PAUSE)

    def _hire_once(self) -> None:
        key = uuid4().hex
        while key not in self.acknowledged:
            try:
                answer = self.platform.gateway.hire(self.payer, self.payee, 1, key=key)
            except httpx2.TransportError:
                self.statuses[0] += 1
            else:
                assert answer.status_code in {202, 503}, answer.text
                self.statuses[answer.status_code] += 1
                if answer.status_code == 202:
                    self.acknowledged[key] = answer.json()["id"]
                    return
            time.sleep(PAUSE)

    def assert_nothing_lost_or_doubled(self, within: float = 20.0) -> None:
        """Wait until every acknowledged hire is done; then cs1's ledger holds each once, and no other."""
        ids = list(self.acknowledged.values())
        hires = self.platform.gateway.all_finished(ids, within)
        assert {hire["state"] for hire in hires} == {"done"}
        assert len(set(ids)) == len(ids)
        self.platform.assert_booked_once(ids, self.payee, 1)
        assert self.platform.balance(self.payer) == START - len(ids)


@contextmanager
def traffic(platform: Platform, users: int = 2) -> Iterator[Traffic]:
    """Let `users` clients hire while the block runs, and bring it to an end after it."""
    running = Traffic(platform, platform.account(START), platform.account())
    with ThreadPoolExecutor(users) as pool:
        work: list[Future[None]] = [pool.submit(running.hire) for _ in range(users)]
        try:
            yield running
        finally:
            running.stop.set()
    for each in work:
        each.result()
