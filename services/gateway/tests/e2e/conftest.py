from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway_platform import Platform, connected


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    with connected() as made:
        yield made
