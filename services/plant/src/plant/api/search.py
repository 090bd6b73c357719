"""POST /skills/search."""

from __future__ import annotations

from fastapi import APIRouter

from plant.api.answers import HitsBody
from plant.api.bodies import Question
from plant.api.resources import Connector, From
from plant.search import nearest

router = APIRouter(tags=["search"])


@router.post("/skills/search")
async def search_skills(question: Question, connector: Connector, caller: From) -> HitsBody:
    """Find the skills that lie nearest to an embedding."""
    async with connector.session(caller, read_only=True) as session:
        hits = await nearest(session, question.embedding, limit=question.limit, metric=question.metric)
    return HitsBody.model_validate({"hits": hits})
