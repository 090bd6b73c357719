"""Service processes of a line of Python, and the ways in which they may be ready."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from noxlib.errors import ResourceError
from noxlib.model import Ready
from noxlib.resources.process import ProcessResource

MakeProcess = Callable[..., ProcessResource]

PYTHON = sys.executable
SLEEP = "import time; time.sleep(60)"
WAYS = {
    "http": Ready(http="/", timeout=20),
    "tcp": Ready(tcp=True, timeout=20),
    "log": Ready(log="^up$", timeout=20),
    "command": Ready(command=(PYTHON, "-c", "import time; time.sleep(60)"), timeout=20),
}


def failure(resource: ProcessResource) -> str:
    with pytest.raises(ResourceError) as caught:
        resource.start()
    assert resource.pid is None
    return str(caught.value)
