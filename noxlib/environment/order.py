"""What a session asks for: one virtualenv, described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noxlib.model import Service

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that a service's virtualenv depends on, and where it is kept."""

    service: Service
    folder: Path  # the service's folder, absolute
    python: str  # "3.12", or "" for the interpreter that runs nox
    store: Path  # <repository>/.nox/noxlib
    tools: tuple[str, ...]  # requirements that the service's test types have
    requirements: tuple[str, ...] = ()  # a type's own, on top of the lock
    reuse: str = "auto"  # auto: by stamp; never: rebuild; always: never install
    say: Say = print  # one line of progress for the user
