"""Orders for resources, from the few things that a test is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Order = TypeVar("Order")


def make_order(
    order: Callable[..., Order], settings: Any, defaults: Mapping[str, Any], changes: Mapping[str, Any]
) -> Order:
    """Make an order; changes are fields of it or of its settings, whose own port is `fixed_port`."""
    names = settings.__dataclass_fields__.keys() - {"port"}
    given = {key: value for key, value in changes.items() if key in names}
    if "fixed_port" in changes:
        given["port"] = changes["fixed_port"]
    rest = {key: value for key, value in changes.items() if key not in names and key != "fixed_port"}
    return order(**{**defaults, "settings": settings(**given), **rest})
