"""What uvicorn runs: `uvicorn --factory gateway.server:build`."""

from __future__ import annotations

import os

from fastapi import FastAPI

from gateway import logs, parts
from gateway.api import create_app
from gateway.settings import read_settings


def build() -> FastAPI:
    """Build the application from the process's environment."""
    logs.configure()
    return create_app(parts.build(read_settings(os.environ)))
