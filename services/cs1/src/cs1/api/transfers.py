"""Transfers, and the sum of them all."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response

from cs1.api.bodies import IdempotencyKey, NewTransfer, TransferBody, TrialBalanceBody
from cs1.api.resources import Store

router = APIRouter(tags=["transfers"])


@router.post("/transfers", status_code=201)
def post_transfer(
    body: NewTransfer,
    store: Store,
    response: Response,
    idempotency_key: Annotated[IdempotencyKey, Header()],
) -> TransferBody:
    """Book a transfer, once per idempotency key."""
    booked = store.post(body.order(idempotency_key))
    if booked.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return TransferBody.of(booked)


@router.get("/transfers/{transfer_id}")
def read_transfer(transfer_id: UUID, store: Store) -> TransferBody:
    """Return a booked transfer."""
    return TransferBody.of(store.transfer(transfer_id))


@router.get("/trial-balance")
def read_trial_balance(store: Store) -> list[TrialBalanceBody]:
    """Add up all debits and credits: equal in each currency, or the books are wrong."""
    return [TrialBalanceBody.of(total) for total in store.trial_balance()]
