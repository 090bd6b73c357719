"""What several test types share. Nothing is opened before a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from starlette.testclient import TestClient

from gateway.api import create_app
from gateway.parts import Parts, Transports, build
from gateway.settings import Settings
from gateway_client import GatewayClient
from gateway_standins import StandInLedger, StandInStaff


@pytest.fixture
def ledger() -> StandInLedger:
    """Stand in for cs1."""
    return StandInLedger()


@pytest.fixture
def staff() -> StandInStaff:
    """Stand in for plant; one welder works there."""
    stand_in = StandInStaff()
    stand_in.employ("Anna", "welder")
    return stand_in


@pytest.fixture
def settings(noxlib_database: Any, noxlib_redis: Any) -> Settings:
    """Return the settings of a gateway on a database and a Redis that are this test's alone."""
    return Settings(
        database_url=make_url(noxlib_database.url("psycopg")),
        redis_url=noxlib_redis.url,
        cs1_url="http://cs1.test",
        plant_url="http://plant.test",
        lease=1.0,
    )


@pytest.fixture
def parts(settings: Settings, ledger: StandInLedger, staff: StandInStaff) -> Iterator[Parts]:
    """Put a gateway together; its relay and workers don't run."""
    made = build(settings, Transports(cs1=ledger.transport, plant=staff.transport))
    yield made
    made.close()


@pytest.fixture
def http(parts: Parts) -> TestClient:
    """Return a client of the interface alone: what is accepted stays in the outbox."""
    # The answer to an unhandled error is what a client sees: don't raise it through the test.
    return TestClient(create_app(parts), raise_server_exceptions=False)


@pytest.fixture
def running(http: TestClient) -> Iterator[GatewayClient]:
    """Return a client of a gateway whose relay and workers run."""
    with http:
        client = GatewayClient(http)
        client.add_skill("TIG welding", "welder")
        yield client
