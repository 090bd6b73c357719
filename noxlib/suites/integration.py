"""integration: the service's own migrated and seeded servers; cassettes only replay."""

from __future__ import annotations

from noxlib.suites.suite import PYTEST, Suite, workers

TOOLS = (*PYTEST, "pytest-xdist>=3.5", "pytest-recording>=0.13")


def arguments(suite: Suite) -> list[str]:
    """Return replay-only cassettes; `network = "open"` may record new ones.

    One worker unless asked for: more pay off in suites of many seconds, and each wants a database.
    """
    record = "none" if suite.settings.network == "closed" else "once"
    parallel = workers(suite) if suite.settings.workers != "auto" else []
    return [f"--record-mode={record}", *parallel]
