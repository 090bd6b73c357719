"""What the endpoints ask of the application and of a request's headers."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Request

from plant.caller import Caller
from plant.connector import Connector as DatabaseConnector

Tenant = Annotated[str, Header(alias="X-Tenant", pattern=r"^[a-z0-9-]{1,63}$")]
Actor = Annotated[str, Header(alias="X-Actor", pattern=r"^[!-~]{1,100}$")]
IdempotencyKey = Annotated[str | None, Header(pattern=r"^[!-~]{1,255}$")]


def _connector(request: Request) -> DatabaseConnector:
    return cast(DatabaseConnector, request.app.state.connector)


def _caller(x_tenant: Tenant = "default", x_actor: Actor = "anonymous") -> Caller:
    return Caller(tenant=x_tenant, actor=x_actor)


# No dependency with `yield`: its transaction would be committed when the answer has gone out already.
Connector = Annotated[DatabaseConnector, Depends(_connector)]
From = Annotated[Caller, Depends(_caller)]
