"""What uvicorn runs: `uvicorn --factory cs1.server:build`."""

from __future__ import annotations

import os

from fastapi import FastAPI

from cs1 import logs
from cs1.api import create_app
from cs1.settings import read_settings


def build() -> FastAPI:
    """Build the application from the process's environment."""
    logs.configure()
    return create_app(read_settings(os.environ))
