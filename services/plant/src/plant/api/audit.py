"""The audit trail: read it, check it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from plant.api.answers import RecordBody, TrailBody, VerdictBody
from plant.api.resources import Connector, From
from plant.audit import trail
from plant.connector import SNAPSHOT

MAX_PAGE = 200

router = APIRouter(tags=["audit"])


@router.get("/audit")
async def read_trail(
    connector: Connector,
    caller: From,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    entity_id: UUID | None = None,
) -> TrailBody:
    """Return a page of the caller's audit trail, oldest record first."""
    async with connector.session(caller, read_only=True) as session:
        found = await trail.page(session, after=after, limit=limit + 1, entity_id=entity_id)
    records = [RecordBody.model_validate(each) for each in found[:limit]]
    return TrailBody(records=records, next=records[-1].sequence if len(found) > limit else None)


@router.get("/audit/verify")
async def verify_trail(connector: Connector, caller: From) -> VerdictBody:
    """Check every record of the caller's audit trail."""
    async with connector.session(caller, isolation=SNAPSHOT, read_only=True) as session:
        return VerdictBody.model_validate(await trail.check(session))
