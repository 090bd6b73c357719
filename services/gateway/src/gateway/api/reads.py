"""What the services behind the gateway know: their last answer while they are away."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from gateway.api.bodies import BalanceBody, HitsBody, NewSkill, SkillBody, Words
from gateway.api.resources import Caller, TheParts
from gateway.cache import Cached
from gateway.upstream.answers import Balance, Hits

FRESH_SEARCH = 2.0  # seconds for which a search isn't repeated
FRESH_BALANCE = 0.0  # money: always asked for
STALE = '110 gateway "Response is Stale"'  # RFC 7234, section 5.5.1

router = APIRouter()


@router.get("/accounts/{account_id}/balance", tags=["reads"])
def read_balance(account_id: UUID, parts: TheParts, _: Caller, response: Response) -> BalanceBody:
    """Return an account's balance at cs1."""

    def fetch() -> Balance:
        return parts.ledger.balance(account_id)

    found = parts.cache.read(f"balance:{account_id}", Balance, FRESH_BALANCE, fetch)
    _tell_age(response, found)
    return BalanceBody.of(found)


@router.get("/skills", tags=["reads"])
def search_skills(
    like: Annotated[Words, Query()],
    parts: TheParts,
    _: Caller,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
) -> HitsBody:
    """Return the skills at plant that a text is nearest to."""

    def fetch() -> Hits:
        return Hits(hits=parts.staff.search(like, limit))

    found = parts.cache.read(f"skills:{limit}:{like.casefold()}", Hits, FRESH_SEARCH, fetch)
    _tell_age(response, found)
    return HitsBody.of(found)


@router.post("/skills", status_code=201, tags=["skills"])
def add_skill(body: NewSkill, parts: TheParts, _: Caller) -> SkillBody:
    """Create a skill at plant that a search finds; the same again returns the one that is there."""
    return SkillBody.of(parts.staff.add_skill(body.name, body.category))


def _tell_age(response: Response, found: Cached[Balance] | Cached[Hits]) -> None:
    response.headers["Age"] = str(int(found.age))
    if found.degraded:
        response.headers["Warning"] = STALE
