"""How each test type is run: the tools it needs, its command line, the evidence it leaves.

One module per type, named for it, with `TOOLS` (requirements added to the service's environment),
`arguments(suite)` (what the type adds to pytest's command line) or `command(suite)` (the whole of
it), and, where something is to be watched from outside, `around(suite, pids)`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

from noxlib.model import Service
from noxlib.plan import TYPES
from noxlib.suites.suite import Suite, fill_all, pytest_command

Pids = Callable[[], dict[str, int]]  # of the resources that run now, by lease name


def _module(kind: str) -> ModuleType:
    return importlib.import_module(f"noxlib.suites.{kind if kind != 'property' else 'properties'}")


def command(suite: Suite) -> list[str]:
    """Return the command line of a session's suite."""
    if suite.settings.command:
        return [*fill_all(suite, suite.settings.command), *suite.posargs]
    module = _module(suite.plan.type)
    if hasattr(module, "command"):
        return list(module.command(suite))
    return pytest_command(suite, module.arguments(suite))


@contextlib.contextmanager
def around(suite: Suite, pids: Pids) -> Iterator[None]:
    """Watch what the type wants watched while its suite runs."""
    module = _module(suite.plan.type)
    with module.around(suite, pids) if hasattr(module, "around") else contextlib.nullcontext():
        yield


def tools(service: Service) -> tuple[str, ...]:
    """Return what the enabled types of a service need beside its lock, without repetition."""
    kinds = [kind for kind in TYPES if service.types[kind].enabled]
    return tuple(dict.fromkeys(tool for kind in kinds for tool in _module(kind).TOOLS))
