"""Hires: accepted at once, done soon."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response

from gateway.api.bodies import BacklogBody, HireBody, IdempotencyKey, NewHire
from gateway.api.resources import Caller, TheParts
from gateway.errors import NotFoundError

router = APIRouter(tags=["hires"])


@router.post("/hires", status_code=202)
def accept_hire(
    body: NewHire,
    parts: TheParts,
    caller: Caller,
    response: Response,
    idempotency_key: Annotated[IdempotencyKey, Header()],
) -> HireBody:
    """Accept a hire, once per client and idempotency key: it will be done or rejected, whatever fails."""
    accepted = parts.store.accept(body.order(caller, idempotency_key))
    if accepted.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    else:
        parts.background.wake()
    response.headers["Location"] = f"/hires/{accepted.hire.id}"
    return HireBody.of(accepted.hire)


@router.get("/hires/{hire_id}")
def read_hire(hire_id: UUID, parts: TheParts, caller: Caller) -> HireBody:
    """Return a hire of the caller's as it stands: that there are others' is nobody's business."""
    hire = parts.store.hire(hire_id)
    if hire.order.client != caller:
        raise NotFoundError(f"There is no hire {hire_id}.")
    return HireBody.of(hire)


@router.get("/backlog")
def read_backlog(parts: TheParts, _: Caller) -> BacklogBody:
    """Say how many hires are accepted and not finished, and how old the oldest is."""
    return BacklogBody.of(parts.store.backlog())
