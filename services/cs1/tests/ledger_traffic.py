"""Customers who pay each other without a pause, and repeat what they got no answer to."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from uuid import uuid4

import httpx2

from ledger_client import LedgerClient

PAUSE = 0.05  # seconds before a request is repeated


@dataclass
class Traffic:
    """What was asked and what came back. `acknowledged` holds transfer ids by idempotency key."""

    ledger: LedgerClient
    customers: Sequence[str]
    stop: Event = field(default_factory=Event)
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    failures: int = 0

    def wait_for(self, count: int, within: float = 20.0) -> None:
        """Return when `count` more transfers were acknowledged than now."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + within
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} of {wanted} transfers"
            time.sleep(0.01)

    def wait_for_failures(self, within: float = 20.0) -> None:
        """Return when a request has failed that was sent after now."""
        before, deadline = self.failures, time.monotonic() + within
        while self.failures == before:
            assert time.monotonic() < deadline, "no request failed"
            time.sleep(0.01)

    def pay(self, number: int) -> None:
        """Pay one transfer after the other until told to stop; finish the last one."""
        for step in itertools.count(number):
            if self.stop.is_set():
                return
            payer = self.customers[step % len(self.customers)]
            payee = self.customers[(step + 1 + number) % len(self.customers)]
            if payer != payee:
                self._pay_once(payer, payee)

    def _pay_once(self, payer: str, payee: str) -> None:
        key = uuid4().hex
        self.asked[key] = (payer, payee)
        while key not in self.acknowledged:
            try:
                answer = self.ledger.pay(payer, payee, 1, key)
            except httpx2.TransportError:
                self.failures += 1
            else:
                assert answer.status_code in {201, 503}, answer.text
                if answer.status_code == 201:
                    self.acknowledged[key] = answer.json()["id"]
                    return
                self.failures += 1
            time.sleep(PAUSE)


@contextmanager
def traffic(ledger: LedgerClient, users: int = 4) -> Iterator[Traffic]:
    """Let `users` customers pay each other while the block runs, and bring it to an end after it."""
    running = Traffic(ledger, [ledger.customer(1_000_000) for _ in range(users)])
    with ThreadPoolExecutor(users) as pool:
        work: list[Future[None]] = [pool.submit(running.pay, number) for number in range(users)]
        try:
            yield running
        finally:
            running.stop.set()
    for each in work:
        each.result()
