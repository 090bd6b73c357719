"""What uvicorn runs: `uvicorn --factory plant.server:build`."""

from __future__ import annotations

import os

from fastapi import FastAPI

from plant import logs
from plant.api import create_app
from plant.settings import read_settings


def build() -> FastAPI:
    """Build the application from the process's environment."""
    logs.configure()
    return create_app(read_settings(os.environ))
