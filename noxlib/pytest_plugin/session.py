"""The session that this test process belongs to, read from the file that NOXLIB_SESSION names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from noxlib.model import SessionFile, from_json

SESSION = pytest.StashKey[SessionFile]()

_VARIABLE = "NOXLIB_SESSION"
_TAKEN = "NOXLIB_SESSION_TAKEN"  # the session file that a pytest above this one serves already


def read() -> SessionFile:
    """Read the session file. Raises pytest.UsageError when there is none that makes sense."""
    path = os.environ[_VARIABLE]
    try:
        return from_json(SessionFile, json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise pytest.UsageError(
            f"noxlib: {_VARIABLE} names {path}, which is no session file: {error}\n"
            f"  to fix it: run the tests through nox, or unset {_VARIABLE}"
        ) from error


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this is one of xdist's workers."""
    return hasattr(config, "workerinput")


def take(config: pytest.Config) -> bool:
    """Claim the session for this pytest; False when it is nested in the one that serves it.

    A test that runs pytest hands NOXLIB_SESSION down; that run must not overwrite our evidence.
    """
    path = os.environ[_VARIABLE]
    if is_worker(config):
        return True
    if os.environ.get(_TAKEN, "").partition("#")[0] == path:
        return False
    os.environ[_TAKEN] = path
    return True


def take_worker(worker: str) -> bool:
    """Claim an xdist worker, before its pytest is known to be one; False for a pytest nested in its tests."""
    mark = f"{os.environ[_VARIABLE]}#{worker}"
    if os.environ.get(_TAKEN) == mark:
        return False
    os.environ[_TAKEN] = mark
    return True


def release() -> None:
    """Give the session back, for a further pytest in this process."""
    os.environ.pop(_TAKEN, None)


def redacted(session: SessionFile, text: str) -> str:
    """Return `text` without the session's secrets."""
    secrets = {session.token, *(secret for lease in session.leases for secret in lease.secrets)}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[redacted]")
    return text


def require(session: SessionFile, kind: str, fixture: str) -> None:
    """Fail the test that asks for a fixture which belongs to another test type."""
    plan = session.plan
    if plan.type != kind:
        pytest.fail(
            f"{fixture} belongs to {kind} tests, and this is {plan.name}\n"
            f"  to fix it: move the test to tests/{kind}",
            pytrace=False,
        )
