from __future__ import annotations

import os
from collections.abc import Iterator

import httpx2
import pytest

from ledger_client import LedgerClient


@pytest.fixture
def server() -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=os.environ["CS1_URL"], timeout=20) as client:
        yield client


@pytest.fixture
def ledger(server: httpx2.Client) -> LedgerClient:
    return LedgerClient(server)
