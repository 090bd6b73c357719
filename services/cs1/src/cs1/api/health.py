"""GET /health."""

from __future__ import annotations

from fastapi import APIRouter, Request

from cs1.database import ping

router = APIRouter()


@router.get("/health")
def health(request: Request) -> dict[str, str]:
    """Say that the service and its database answer."""
    ping(request.app.state.engine)
    return {"status": "ok"}
