"""GET /health and GET /metrics."""

from __future__ import annotations

from fastapi import APIRouter

from plant.api.resources import Connector
from plant.pool_metrics import PoolFigures

router = APIRouter(tags=["operation"])


@router.get("/health")
async def health(connector: Connector) -> dict[str, str]:
    """Say that the service and its database answer."""
    await connector.ping()
    return {"status": "ok"}


@router.get("/metrics")
async def metrics(connector: Connector) -> PoolFigures:
    """Say how the connection pool stands, and what it has done; asks no database."""
    return connector.metrics()
