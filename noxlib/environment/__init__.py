"""Environments: one virtualenv per service, Python and resolved inputs, shared by its test types."""

from __future__ import annotations

from noxlib.environment.construction import build
from noxlib.environment.order import Order
from noxlib.environment.python import Interpreter, find_python
from noxlib.environment.tool import build_tool

__all__ = ["Interpreter", "Order", "build", "build_tool", "find_python"]
