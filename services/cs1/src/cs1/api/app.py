"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from cs1.api import health
from cs1.database import open_engine
from cs1.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it opens connections at the first request and closes them at shutdown."""
    engine = open_engine(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = FastAPI(title="cs1", summary="A double-entry ledger", lifespan=lifespan)
    app.state.engine = engine
    app.include_router(health.router)
    return app
