"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from gateway.api import health, hires, problems, reads
from gateway.api.request_context import RequestContext
from gateway.parts import Parts


def create_app(parts: Parts) -> FastAPI:
    """Return the application; relay and workers run from its start-up to its shutdown."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.background.start()
        yield
        await run_in_threadpool(parts.close)

    app = FastAPI(title="gateway", summary="An edge API in front of cs1 and plant", lifespan=lifespan)
    app.state.parts = parts
    app.add_middleware(RequestContext)
    problems.install(app)
    for module in (hires, reads, health):
        app.include_router(module.router)
    return app
