"""The HTTP interface; nothing else of the service knows about HTTP."""

from __future__ import annotations

from plant.api.app import create_app

__all__ = ["create_app"]
