from __future__ import annotations

import pytest

from plant_loading import load_fixtures


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    load_fixtures(session.config, "plant_database_fixtures")
