"""A works is staffed, through the running server."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from plant_client import PlantClient, client_of
from plant_embeddings import anywhere, at_angle


async def test_the_server_is_healthy(plant: PlantClient) -> None:
    assert await plant.read("health") == {"status": "ok"}


async def test_a_works_is_staffed_reorganised_and_audited(plant: PlantClient) -> None:
    industry = await plant.create("industries", name="shipbuilding", sector="manufacturing")
    for name, degrees in (("welding", 0), ("soldering", 20), ("bookkeeping", 90)):
        await plant.create("skills", name=name, category="trade", embedding=at_angle(degrees))
    assert await plant.search(at_angle(5), limit=2) == ["welding", "soldering"]
    assert await plant.search(at_angle(5), limit=1, metric="l2") == ["welding"]

    role = await plant.create(
        "job-roles",
        name="welder",
        seniority="senior",
        industry_id=industry["id"],
        requirements_embedding=at_angle(0),
    )
    team = await plant.create("teams", name="night shift", capacity=8)
    agent = await plant.create("agents", name="Anna", team_id=team["id"], job_role_id=role["id"])

    kept = await plant.http.delete(f"/teams/{team['id']}")
    assert (kept.status_code, kept.json()["title"]) == (409, "In use")
    renamed = await plant.change(f"teams/{team['id']}", version=1, name="late shift")
    assert renamed["version"] == 2
    late = await plant.http.patch(f"/teams/{team['id']}", json={"version": 1, "name": "early shift"})
    assert (late.status_code, late.json()["title"]) == (409, "Somebody was quicker")
    for path in (f"agents/{agent['id']}", f"teams/{team['id']}"):
        assert (await plant.http.delete(f"/{path}")).status_code == 204

    history = (await plant.read("audit", entity_id=team["id"]))["records"]
    assert [(each["action"], each["payload"]["name"]) for each in history] == [
        ("insert", "night shift"),
        ("update", "late shift"),
        ("delete", "late shift"),
    ]
    verdict = await plant.read("audit/verify")
    assert (verdict["intact"], verdict["records"]) == (True, 7 + 1 + 2)


async def test_what_is_asked_again_is_created_once(plant: PlantClient) -> None:
    key = uuid4().hex
    body = {"name": "welding", "category": "metal", "embedding": anywhere(1)}
    answers = await asyncio.gather(*(plant.create("skills", key=key, **body) for _ in range(8)))
    assert len({each["id"] for each in answers}) == 1
    assert (await plant.read("audit/verify"))["records"] == 1


async def test_many_clients_of_many_tenants_keep_apart(server_url: str) -> None:
    async def staff(number: int) -> tuple[int, bool, int]:
        async with client_of(server_url) as plant:
            for turn in range(number + 1):
                await plant.create("teams", name=f"team {turn}", capacity=1)
            verdict = await plant.read("audit/verify")
            listed = (await plant.read("teams"))["items"]
            return len(listed), verdict["intact"], verdict["records"]

    found = await asyncio.gather(*(staff(number) for number in range(6)))
    assert found == [(number + 1, True, number + 1) for number in range(6)]


async def test_the_interface_describes_itself(plant: PlantClient) -> None:
    paths = set((await plant.read("openapi.json"))["paths"])
    for kind in ("skills", "industries", "teams", "job-roles", "agents"):
        assert {f"/{kind}", f"/{kind}/{{entity_id}}"} <= paths
    assert {"/skills/search", "/audit", "/audit/verify", "/metrics", "/health"} <= paths
