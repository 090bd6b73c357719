"""What the endpoints ask of the application."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response

from gateway.api.bodies import Client
from gateway.errors import RateLimitedError
from gateway.parts import Parts


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


TheParts = Annotated[Parts, Depends(_parts)]


def _limited(parts: TheParts, response: Response, x_client: Annotated[Client, Header()] = "anonymous") -> str:
    """Return who asks, when the client's plan allows it. Raises RateLimitedError."""
    decision, plan = parts.limiter.take(x_client)
    if not decision.allowed:
        raise RateLimitedError(f"{plan.per_second} requests a second were agreed on.", decision.wait)
    response.headers["RateLimit-Limit"] = str(plan.burst)
    response.headers["RateLimit-Remaining"] = str(decision.remaining)
    return x_client


Caller = Annotated[str, Depends(_limited)]
