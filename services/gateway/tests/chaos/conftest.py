from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway_platform import Platform, connected


@pytest.fixture(scope="session")
def connections() -> Iterator[Platform]:
    with connected() as made:
        yield made


@pytest.fixture
def platform(connections: Platform, noxlib_chaos: Any) -> Platform:
    """Return the platform when it has got over what the test before has done to it."""
    account = connections.account()

    def whole() -> bool:
        # A circuit closes again when somebody is let through.
        found = connections.gateway.balance(account), connections.gateway.search("anything")
        assert [answer.status_code for answer in found] == [200, 200]
        return bool(connections.gateway.http.get("/health").json()["status"] == "ok")

    noxlib_chaos.eventually(whole, within=10)
    return connections
