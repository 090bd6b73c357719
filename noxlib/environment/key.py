"""The key of an environment: a hash over everything that it is built from. Starts no process."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from noxlib.environment import requirements
from noxlib.environment.locks import REQUIREMENTS, Lock
from noxlib.environment.order import Order
from noxlib.environment.project import is_noxlib, is_package, read_pyproject
from noxlib.environment.python import Interpreter
from noxlib.environment.wheel import content_hash
from noxlib.model import to_json

LAYOUT = 1  # counts up when environments of the same inputs would be built differently
# Tables of pyproject.toml that no installer reads.
_CHECKERS = frozenset(
    [
        "black",
        "codespell",
        "coverage",
        "isort",
        "mypy",
        "nox",
        "noxlib",
        "pylint",
        "pyright",
        "pytest",
        "ruff",
        "tox",
        "towncrier",
        "bandit",
        "flake8",
    ]
)


def environment_key(order: Order, interpreter: Interpreter, lock: Lock, tool: str) -> str:
    """Return the hash of all inputs of a service's environment."""
    pyproject = read_pyproject(order.folder)
    parts = {
        "layout": LAYOUT,
        "python": [interpreter.path, interpreter.version],
        "tool": tool,
        "install": to_json(order.service.install),
        "source": order.service.source,
        "tools": sorted(order.tools),
        "requirements": sorted(order.requirements),
        "plugin": "" if is_noxlib(pyproject) else content_hash(),
        "pyproject": _what_matters(pyproject),
        "folder": str(order.folder),
        "files": _hashes(order, lock),
        "code": _code(order, pyproject),
    }
    return digest_of(parts)


def digest_of(value: Any) -> str:
    """Return a hash of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _what_matters(pyproject: dict[str, Any]) -> dict[str, Any]:
    tables = pyproject.get("tool", {})
    return {**pyproject, "tool": {name: table for name, table in tables.items() if name not in _CHECKERS}}


def _hashes(order: Order, lock: Lock) -> list[list[str]]:
    constraints = [order.folder / name for name in order.service.install.constraints]
    locks = requirements.files_of(lock.path) if lock.kind == REQUIREMENTS else [lock.path]
    files = [*locks, *constraints, order.folder / "setup.py", order.folder / "setup.cfg"]
    return [[path.name, _file_hash(path)] for path in files if path.is_file()]


def _code(order: Order, pyproject: dict[str, Any]) -> list[list[str]]:
    """Return hashes of the sources where they are built in, instead of being linked."""
    if order.service.install.editable or not is_package(order, pyproject):
        return []
    roots = [order.folder / item for item in order.service.source]
    files = {path for root in roots for path in ([root] if root.is_file() else root.rglob("*"))}
    kept = sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts)
    return [[path.relative_to(order.folder).as_posix(), _file_hash(path)] for path in kept]


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
