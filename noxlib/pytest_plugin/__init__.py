"""The part of noxlib that lives in the test process; inert outside a session.

One look at the environment decides: without NOXLIB_SESSION no hook is defined and nothing else
is imported.
"""

from __future__ import annotations

import os

if os.environ.get("NOXLIB_SESSION"):
    from noxlib.pytest_plugin.hooks import pytest_configure, pytest_load_initial_conftests, pytest_unconfigure

    __all__ = ["pytest_configure", "pytest_load_initial_conftests", "pytest_unconfigure"]
