from __future__ import annotations

import os
from collections.abc import Iterator

import httpx2
import pytest

from gateway_client import GatewayClient
from gateway_platform import ANSWER, Platform


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Return clients of the running services; a welder works there."""
    with (
        httpx2.Client(base_url=os.environ["GATEWAY_URL"], timeout=ANSWER) as gateway,
        httpx2.Client(base_url=os.environ["CS1_URL"], timeout=ANSWER) as cs1,
        httpx2.Client(base_url=os.environ["PLANT_URL"], timeout=ANSWER) as plant,
    ):
        made = Platform(GatewayClient(gateway), cs1, plant)
        made.employ("Anna", "welder")
        assert made.gateway.add_skill("TIG welding", "welder").status_code == 201
        yield made
