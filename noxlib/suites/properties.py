"""property: hypothesis with noxlib's profile; failing examples are printed and kept between runs."""

from __future__ import annotations

from noxlib.suites.suite import PYTEST, Suite

TOOLS = (*PYTEST, "hypothesis>=6.100")


def arguments(_suite: Suite) -> list[str]:
    """Return the switch to hypothesis' statistics: how many examples a green run stands on."""
    return ["--hypothesis-show-statistics"]
