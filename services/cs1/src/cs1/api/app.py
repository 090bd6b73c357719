"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from cs1.api import accounts, health, problems, quotes, transfers
from cs1.api.request_context import RequestContext
from cs1.database import open_engine
from cs1.rates import RateCache, RatesClient, unconfigured
from cs1.settings import Settings
from cs1.store import LedgerStore


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it opens connections when first needed and closes them at shutdown."""
    engine = open_engine(settings)
    client = RatesClient(settings.rates_url) if settings.rates_url else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()
        if client is not None:
            client.close()

    app = FastAPI(title="cs1", summary="A double-entry ledger", lifespan=lifespan)
    app.state.engine = engine
    app.state.store = LedgerStore(engine)
    app.state.rates = RateCache(client.fetch if client is not None else unconfigured)
    app.add_middleware(RequestContext)
    problems.install(app)
    for module in (accounts, transfers, quotes, health):
        app.include_router(module.router)
    return app
