from __future__ import annotations

import pytest

from plant_loading import load_fixtures


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    load_fixtures(session.config, "plant_database_fixtures")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-m all` and `-m coverage` name what needs no -m."""
    item.add_marker("all")
    item.add_marker("coverage")
