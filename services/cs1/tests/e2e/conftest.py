from __future__ import annotations

import os
from collections.abc import Iterator

import httpx2
import pytest

from ledger_client import LedgerClient


@pytest.fixture(scope="session")
def server() -> Iterator[httpx2.Client]:
    """Return a client of the running server, whose address is in CS1_URL."""
    with httpx2.Client(base_url=os.environ["CS1_URL"], timeout=20) as client:
        yield client


@pytest.fixture
def ledger(server: httpx2.Client) -> LedgerClient:
    return LedgerClient(server)
