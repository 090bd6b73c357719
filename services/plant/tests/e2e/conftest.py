from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from plant_client import PlantClient, client_of


@pytest.fixture
async def plant(server_url: str) -> AsyncIterator[PlantClient]:
    """Be a tenant of this test's own at the running server."""
    async with client_of(server_url) as client:
        yield client
