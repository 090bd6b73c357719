"""hypothesis' profile "noxlib", every field of it explicit.

hypothesis loads a `ci` profile of its own where CI is set, and that one forgets examples. Ours is
loaded in two places, both ahead of the project's conftest.py, so that a profile chosen there (or by
--hypothesis-profile) stays in force: before the first conftest.py of a property session, and for
every other type when the tests import hypothesis, by hypothesis' own entry point. A session
that never imports hypothesis doesn't pay 150 ms for it.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
from typing import Any

from noxlib.model import SessionFile
from noxlib.pytest_plugin import session


def load_profile(found: SessionFile | None = None) -> None:
    """Register and load the profile, where hypothesis is installed. Outside a session do nothing.

    Entry point of the group "hypothesis".
    """
    if not os.environ.get("NOXLIB_SESSION") or not importlib.util.find_spec("hypothesis"):
        return
    import hypothesis  # noqa: PLC0415  150 ms

    known = inspect.signature(hypothesis.settings.__init__).parameters
    fields = {name: value for name, value in _fields(found or session.read()).items() if name in known}
    hypothesis.settings.register_profile("noxlib", **fields)
    hypothesis.settings.load_profile("noxlib")


def _fields(found: SessionFile) -> dict[str, Any]:
    from hypothesis import Phase, Verbosity  # noqa: PLC0415  150 ms
    from hypothesis.database import DirectoryBasedExampleDatabase  # noqa: PLC0415  as above

    return {
        "max_examples": 100,
        "derandomize": False,
        "database": DirectoryBasedExampleDatabase(found.examples_folder),
        "verbosity": Verbosity.normal,
        "phases": tuple(Phase),
        "stateful_step_count": 50,
        "report_multiple_bugs": True,
        "suppress_health_check": (),
        # Sessions share the machine with others: a time limit per example would fail at random.
        "deadline": None,
        "print_blob": True,
        "backend": "hypothesis",
    }
