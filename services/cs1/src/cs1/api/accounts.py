"""Accounts, their balances and statements."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from cs1.api.bodies import AccountBody, BalanceBody, NewAccount, StatementBody
from cs1.api.resources import Store

MAX_PAGE = 200

router = APIRouter(prefix="/accounts", tags=["accounts"])


@router.post("", status_code=201)
def open_account(body: NewAccount, store: Store) -> AccountBody:
    """Open an account."""
    return AccountBody.of(store.open_account(body.account(), body.name))


@router.get("/{account_id}")
def read_account(account_id: UUID, store: Store) -> AccountBody:
    """Return an account."""
    return AccountBody.of(store.account(account_id))


@router.get("/{account_id}/balance")
def read_balance(account_id: UUID, store: Store) -> BalanceBody:
    """Return an account's balance."""
    return BalanceBody.of(store.balance(account_id))


@router.get("/{account_id}/statement")
def read_statement(
    account_id: UUID,
    store: Store,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> StatementBody:
    """Return a page of an account's entries."""
    return StatementBody.of(store.statement(account_id, cursor, limit))
