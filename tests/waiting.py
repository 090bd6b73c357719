"""What tests wait for: a thing that becomes true, a process that ends."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def eventually(true: Callable[[], object], seconds: float = 10.0) -> bool:
    """Tell whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody has waited for has."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
