"""The interface of README.md, against the application and its database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from plant import logs, server
from plant.api import create_app
from plant.settings import Settings
from plant_embeddings import at_angle

WELDING = {"name": "welding", "category": "metal", "description": "joins", "embedding": at_angle(0)}
BODIES: dict[str, dict[str, Any]] = {
    "skills": WELDING,
    "industries": {"name": "mining", "sector": "primary"},
    "teams": {"name": "night shift", "capacity": 8},
    "job-roles": {"name": "welder", "seniority": "senior", "requirements_embedding": at_angle(9)},
    "agents": {"name": "Anna", "status": "active"},
}


async def created(http: httpx2.AsyncClient, path: str, **changes: Any) -> dict[str, Any]:
    answer = await http.post(f"/{path}", json={**BODIES[path], **changes})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def slug(answer: httpx2.Response) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("urn:plant:problem:")


@pytest.mark.parametrize("path", sorted(BODIES))
async def test_every_kind_is_created_read_listed_changed_and_removed(
    http: httpx2.AsyncClient, path: str
) -> None:
    made = await created(http, path)
    one = f"/{path}/{made['id']}"
    assert (await http.get(one)).json() == made
    assert (await http.get(f"/{path}")).json() == {"items": [made], "next": None}
    change = {"version": 1, "description": "changed"}
    changed = (await http.patch(one, json=change)).json()
    assert (changed["version"], changed["description"], changed["name"]) == (2, "changed", made["name"])
    assert (await http.patch(one, json=change)).status_code == 409
    assert (await http.delete(one)).status_code == 204
    assert slug(await http.get(one)) == "not-found"
    trail = (await http.get("/audit", params={"entity_id": made["id"]})).json()
    assert [(each["action"], each["actor"]) for each in trail["records"]] == [
        ("insert", "tester"),
        ("update", "tester"),
        ("delete", "tester"),
    ]


async def test_a_skill_shows_that_it_has_an_embedding_and_not_the_numbers(http: httpx2.AsyncClient) -> None:
    made = await created(http, "skills")
    assert {"kind", "name", "category", "has_embedding", "version"} <= set(made)
    assert made["has_embedding"] is True
    assert "embedding_384" not in made
    assert (await created(http, "skills", name="turning", embedding=None))["has_embedding"] is False


async def test_agents_and_roles_refer_to_others_of_their_tenant_only(http: httpx2.AsyncClient) -> None:
    team = (await created(http, "teams"))["id"]
    role = (await created(http, "job-roles", industry_id=(await created(http, "industries"))["id"]))["id"]
    agent = await created(http, "agents", team_id=team, job_role_id=role)
    assert (agent["team_id"], agent["job_role_id"]) == (team, role)
    assert slug(await http.delete(f"/teams/{team}")) == "in-use"
    for reference in ({"team_id": role}, {"team_id": str(uuid4())}, {"job_role_id": team}):
        answer = await http.post("/agents", json={"name": "Bela", **reference})
        assert (answer.status_code, slug(answer)) == (422, "unknown-reference")


@pytest.mark.security
async def test_another_tenant_sees_and_touches_nothing(http: httpx2.AsyncClient) -> None:
    made = await created(http, "skills")
    other = {"X-Tenant": f"t-{uuid4().hex}"}
    one = f"/skills/{made['id']}"
    assert (await http.get(one, headers=other)).status_code == 404
    assert (await http.delete(one, headers=other)).status_code == 404
    assert (await http.patch(one, json={"version": 1}, headers=other)).status_code == 404
    assert (await http.get("/skills", headers=other)).json()["items"] == []
    assert (await http.get("/audit", headers=other)).json()["records"] == []
    found = await http.post("/skills/search", json={"embedding": at_angle(0)}, headers=other)
    assert found.json() == {"hits": []}


async def test_a_repeated_key_answers_with_what_was_created(http: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    first, again = [await http.post("/skills", json=WELDING, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    for path, body in (("skills", {**WELDING, "name": "other"}), ("teams", BODIES["teams"])):
        answer = await http.post(f"/{path}", json=body, headers=headers)
        assert (answer.status_code, slug(answer)) == (422, "idempotency-key-reused")


async def test_a_name_is_a_key(http: httpx2.AsyncClient) -> None:
    made = await created(http, "skills")
    again = await http.post("/skills", json=dict(reversed(WELDING.items())))
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (made, "true")
    answer = await http.post("/skills", json={**WELDING, "category": "art"})
    assert (answer.status_code, slug(answer)) == (409, "name-taken")
    other = await created(http, "skills", name="turning")
    answer = await http.patch(f"/skills/{other['id']}", json={"version": 1, "name": "welding"})
    assert (answer.status_code, slug(answer)) == (409, "name-taken")


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "order-7"}])
async def test_requests_at_once_create_once(http: httpx2.AsyncClient, key: dict[str, str]) -> None:
    answers = await asyncio.gather(*(http.post("/skills", json=WELDING, headers=key) for _ in range(6)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["id"] for each in answers}) == 1
    assert len((await http.get("/audit")).json()["records"]) == 1


async def test_pages_follow_each_other_by_name(http: httpx2.AsyncClient) -> None:
    for name in ("d", "a", "c", "b", "e"):
        await created(http, "teams", name=name)
    seen, after = [], ""
    while after is not None:
        page = (await http.get("/teams", params={"limit": 2, "after": after})).json()
        seen.append([each["name"] for each in page["items"]])
        after = page["next"]
    assert seen == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_part_of_a_name_is_enough_in_capitals_or_not(http: httpx2.AsyncClient) -> None:
    for name in ("Spot welding", "welding", "100% turning"):
        await created(http, "skills", name=name)
    for part, expected in (("WELD", ["Spot welding", "welding"]), ("%", ["100% turning"]), ("_", [])):
        page = (await http.get("/skills", params={"contains": part})).json()
        assert [each["name"] for each in page["items"]] == expected


@pytest.mark.vectors
async def test_a_search_answers_with_the_nearest_skills(http: httpx2.AsyncClient) -> None:
    for degrees in (50, 10, 30):
        await created(http, "skills", name=f"{degrees}", embedding=at_angle(degrees))
    question = {"embedding": at_angle(0), "limit": 2}
    for metric in ("cosine", "l2"):
        answer = await http.post("/skills/search", json={**question, "metric": metric})
        assert [hit["skill"]["name"] for hit in answer.json()["hits"]] == ["10", "30"]


async def test_the_trail_is_paged_and_verified(http: httpx2.AsyncClient) -> None:
    empty = (await http.get("/audit/verify")).json()
    assert empty == {"intact": True, "records": 0, "head": "00" * 32, "faults": []}
    for number in range(3):
        await created(http, "teams", name=f"{number}")
    page = (await http.get("/audit", params={"limit": 2})).json()
    assert [each["sequence"] for each in page["records"]] == [1, 2]
    rest = (await http.get("/audit", params={"limit": 2, "after": page["next"]})).json()
    assert (rest["records"][0]["payload"]["name"], rest["next"]) == ("2", None)
    verdict = (await http.get("/audit/verify")).json()
    assert (verdict["intact"], verdict["records"]) == (True, 3)
    assert verdict["head"] == rest["records"][0]["record_hash"]


BAD = {
    "no name": ("/skills", {**WELDING, "name": " "}),
    "an unknown key": ("/skills", {**WELDING, "colour": "red"}),
    "a short embedding": ("/skills", {**WELDING, "embedding": [1.0]}),
    "a zero embedding": ("/skills", {**WELDING, "embedding": [0.0] * 384}),
    "a huge embedding": ("/skills", {**WELDING, "embedding": [1e300] * 384}),
    "a NUL": ("/teams", {"name": "a\x00b", "capacity": 1}),
    "no room": ("/teams", {"name": "x", "capacity": 0}),
    "an unknown rank": ("/job-roles", {"name": "x", "seniority": "king"}),
    "an unknown metric": ("/skills/search", {"embedding": at_angle(0), "metric": "l3"}),
}


@pytest.mark.parametrize("fault", sorted(BAD))
async def test_what_can_t_be_meant_is_refused_and_leaves_nothing(
    http: httpx2.AsyncClient, fault: str
) -> None:
    path, body = BAD[fault]
    answer = await http.post(path, json=body)
    assert (answer.status_code, slug(answer)) == (422, "invalid-request")
    assert (await http.get("/audit")).json()["records"] == []


@pytest.mark.parametrize(
    "headers", [{"X-Tenant": "UPPER"}, {"X-Actor": "two words"}, {"Idempotency-Key": ""}]
)
async def test_a_header_that_means_nothing_is_refused(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await http.post("/skills", json=WELDING, headers=headers)
    assert (answer.status_code, slug(answer)) == (422, "invalid-request")


async def test_health_and_metrics_tell_how_it_stands(http: httpx2.AsyncClient) -> None:
    health = await http.get("/health", headers={"X-Request-Id": "r-42"})
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert health.headers["X-Request-Id"] == "r-42"
    metrics = (await http.get("/metrics")).json()
    assert metrics["size"] == 10
    assert metrics["acquired"] == metrics["returned"] > 0


async def test_without_a_database_the_service_says_when_to_come_back(
    settings: Settings, unused_tcp_port: int
) -> None:
    url = settings.database_url.set(host="127.0.0.1", port=unused_tcp_port, query={})
    app = create_app(replace(settings, database_url=url))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://plant") as client:
        for answer in (await client.get("/health"), await client.post("/skills", json=WELDING)):
            assert (answer.status_code, slug(answer)) == (503, "database-unavailable")
            assert answer.headers["Retry-After"] == "1"


async def test_a_fault_of_the_service_is_told_to_the_log_and_not_to_the_client(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)
    app.state.connector = object()
    # What a client sees is the answer, not the exception.
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://plant") as client:
        answer = await client.get("/skills")
    assert (answer.status_code, slug(answer)) == (500, "internal")
    assert "AttributeError" not in answer.text
    [record] = [each for each in caplog.records if each.message == "unhandled error"]
    assert "AttributeError" in str(record.exc_info)


async def test_an_unknown_path_is_a_problem(http: httpx2.AsyncClient) -> None:
    assert slug(await http.get("/robots")) == "http"


async def test_the_process_is_built_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[bool] = []
    monkeypatch.setattr(logs, "configure", lambda: configured.append(True))
    monkeypatch.setenv("PLANT_POOL_SIZE", "3")
    app = server.build()
    assert app.state.connector.metrics().size == 3
    assert configured == [True]
    async with app.router.lifespan_context(app):
        await app.state.connector.ping()
    assert app.state.connector.metrics().idle == 0
