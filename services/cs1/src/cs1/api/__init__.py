"""The HTTP rim of the ledger."""

from __future__ import annotations

from cs1.api.app import create_app

__all__ = ["create_app"]
