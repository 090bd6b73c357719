"""unit: nothing but the code, in random order, on all cores; a socket fails the test."""

from __future__ import annotations

from noxlib.suites.suite import PYTEST, Suite, workers

TOOLS = (*PYTEST, "pytest-randomly>=3.15", "pytest-xdist>=3.5")


def arguments(suite: Suite) -> list[str]:
    """Return xdist's workers; the random order is pytest-randomly's, active once installed."""
    return workers(suite)
