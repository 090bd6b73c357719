"""GET, PATCH and DELETE: the same for every kind, made from one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import create_model

from plant import store
from plant.api.answers import AgentBody, EntityBody, IndustryBody, JobRoleBody, SkillBody, TeamBody
from plant.api.bodies import Change
from plant.api.resources import Connector, From
from plant.entities import Agent, BaseEntity, Industry, JobRole, Skill, Team

MAX_PAGE = 200
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Part = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]

router = APIRouter(tags=["entities"])


@dataclass(frozen=True, slots=True)
class Collection:
    """One kind under its path."""

    kind: type[BaseEntity]
    body: type[EntityBody]

    async def page(
        self,
        connector: Connector,
        caller: From,
        after: Part = "",
        limit: Limit = 50,
        contains: Part = "",
    ) -> dict[str, Any]:
        """Return a page of entities, in the order of their names."""
        async with connector.session(caller, read_only=True) as session:
            found = await store.page(session, self.kind, after=after, limit=limit + 1, contains=contains)
        items = [self.body.model_validate(each) for each in found[:limit]]
        return {"items": items, "next": items[-1].name if len(found) > limit else None}

    async def read(self, entity_id: UUID, connector: Connector, caller: From) -> EntityBody:
        """Return an entity."""
        async with connector.session(caller, read_only=True) as session:
            return self.body.model_validate(await store.get(session, self.kind, entity_id))

    async def change(self, entity_id: UUID, body: Change, connector: Connector, caller: From) -> EntityBody:
        """Change an entity that was read in a version."""
        async with connector.session(caller) as session:
            changed = await store.change(session, self.kind, entity_id, body.version, body.values())
            return self.body.model_validate(changed)

    async def remove(self, entity_id: UUID, connector: Connector, caller: From) -> None:
        """Remove an entity that no other one refers to."""
        async with connector.session(caller) as session:
            await store.remove(session, self.kind, entity_id)


COLLECTIONS = {
    "skills": Collection(Skill, SkillBody),
    "industries": Collection(Industry, IndustryBody),
    "teams": Collection(Team, TeamBody),
    "job-roles": Collection(JobRole, JobRoleBody),
    "agents": Collection(Agent, AgentBody),
}

for path, collection in COLLECTIONS.items():
    name = collection.kind.__name__
    page_body = create_model(f"{name}Page", items=(list[collection.body], ...), next=(str | None, ...))  # type: ignore[name-defined]
    one = f"/{path}/{{entity_id}}"
    router.add_api_route(f"/{path}", collection.page, response_model=page_body, name=f"page_{path}")
    router.add_api_route(one, collection.read, response_model=collection.body, name=f"read_{path}")
    router.add_api_route(
        one, collection.change, methods=["PATCH"], response_model=collection.body, name=f"change_{path}"
    )
    router.add_api_route(one, collection.remove, methods=["DELETE"], status_code=204, name=f"remove_{path}")
