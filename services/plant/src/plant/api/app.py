"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from plant.api import audit, collections, creation, health, problems, search
from plant.api.request_context import RequestContext
from plant.connector import Connector
from plant.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it opens connections when first needed and closes them at shutdown."""
    connector = Connector(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await connector.close()

    app = FastAPI(title="plant", summary="The staff of a works", lifespan=lifespan)
    app.state.connector = connector
    app.add_middleware(RequestContext)
    problems.install(app)
    for module in (search, creation, collections, audit, health):
        app.include_router(module.router)
    return app
