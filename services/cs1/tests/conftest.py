"""What several test types share. Nothing is opened before a test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.testclient import TestClient

from cs1.api import create_app
from cs1.database import open_engine
from cs1.settings import Settings, read_settings
from cs1.store import LedgerStore
from ledger_client import LedgerClient


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Return the settings of the session's own PostgreSQL, which is migrated already."""
    return read_settings(os.environ)


@pytest.fixture(scope="session")
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> LedgerStore:
    return LedgerStore(engine)


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture(scope="session")
def http(app: FastAPI) -> Iterator[TestClient]:
    # The answer to an unhandled error is what a client sees: don't raise it through the test.
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ledger(http: TestClient) -> LedgerClient:
    return LedgerClient(http)
