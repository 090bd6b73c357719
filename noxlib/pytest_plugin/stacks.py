"""Where each process of a suite stands, written when its time has run out.

The supervisor sends a signal; faulthandler answers it without the interpreter's help, so a hang in C is
seen too. Only a process that has opened its file is sent the signal.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
from pathlib import Path

from noxlib.model import SessionFile
from noxlib.protocol import STACKS, STACKS_SIGNAL


def register(found: SessionFile) -> None:
    """Answer the signal until the process ends: what keeps it from ending is of interest, too."""
    path = Path(found.run_folder, "logs", STACKS.format(pid=os.getpid()))
    with contextlib.suppress(OSError):  # a run folder that is gone or full: the verdict says so itself
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        faulthandler.register(STACKS_SIGNAL, file=descriptor, all_threads=True)
