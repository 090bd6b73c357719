"""GET /health."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.bodies import HealthBody
from gateway.api.resources import TheParts
from gateway.breaker import Circuit
from gateway.database import ping

router = APIRouter(tags=["operation"])


@router.get("/health")
def health(parts: TheParts) -> HealthBody:
    """Say that hires are accepted, for which the database is enough, and what is left alone just now."""
    ping(parts.engine)
    circuits = {name: breaker.circuit.value for name, breaker in parts.breakers.items()}
    whole = all(state == Circuit.CLOSED.value for state in circuits.values())
    return HealthBody(status="ok" if whole else "degraded", circuits=circuits)
