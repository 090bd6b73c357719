"""The HTTP rim of the gateway."""

from __future__ import annotations

from gateway.api.app import create_app

__all__ = ["create_app"]
