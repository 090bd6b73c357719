"""What a service's pyproject.toml says about its installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from noxlib.environment.order import Order
from noxlib.errors import EnvironmentBuildError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_pyproject(folder: Path) -> dict[str, Any]:
    """Return a folder's pyproject.toml, or {} where there is none.

    Raises EnvironmentBuildError when it isn't TOML.
    """
    path = folder / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EnvironmentBuildError(f"{path}: isn't valid TOML: {error}", remedy="mend that line") from error


def distribution_name(pyproject: dict[str, Any]) -> str:
    """Return the project's name, or "" where it is left to the build backend."""
    poetry = pyproject.get("tool", {}).get("poetry", {})
    return str(pyproject.get("project", {}).get("name") or poetry.get("name") or "")


def is_noxlib(pyproject: dict[str, Any]) -> bool:
    """Tell whether the service is noxlib itself, whose installation brings the plugin."""
    return distribution_name(pyproject) == "noxlib"


def is_package(order: Order, pyproject: dict[str, Any]) -> bool:
    """Tell whether the service can be installed, and may be."""
    poetry = pyproject.get("tool", {}).get("poetry", {})
    if not order.service.install.package or poetry.get("package-mode") is False:
        return False
    return "build-system" in pyproject or (order.folder / "setup.py").is_file()


def import_folders(order: Order) -> list[Path]:
    """Return the folders that must be on the path so that the service's sources can be imported."""
    found = []
    for item in order.service.source:
        path = order.folder / item
        inside = path.is_file() or (path / "__init__.py").exists()
        found.append(path.parent if inside else path)
    return list(dict.fromkeys(found))
