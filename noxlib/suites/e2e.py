"""e2e: the service's process and all it depends on, started in order, healthy, wired by env."""

from __future__ import annotations

from noxlib.suites.suite import PYTEST, Suite

TOOLS = PYTEST


def arguments(_suite: Suite) -> list[str]:
    """Return nothing: what this type has beyond pytest comes from the plugin and the supervisor."""
    return []
