"""Load fixtures where tests are run, once they are measured.

xdist's controller reads every conftest.py and runs no test: what a conftest.py imports at its top is
paid once more than there are workers, and before they start. A worker's coverage begins with the
session: what is imported earlier would look as if no test had reached it.
"""

from __future__ import annotations

import pytest


def load_fixtures(config: pytest.Config, module: str) -> None:
    """Register a module of fixtures as a plugin, unless workers run the tests."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin(module)
