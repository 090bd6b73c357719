from __future__ import annotations

from uuid import UUID

from plant.audit.recording import snapshot
from plant.embeddings import digest
from plant.entities import Agent, JobRole
from plant_embeddings import at_angle


def test_a_snapshot_holds_an_entity_s_own_values_as_json() -> None:
    agent = Agent(name="Anna", description="", status="idle", team_id=UUID(int=7), job_role_id=None)
    assert snapshot(agent) == {
        "name": "Anna",
        "description": "",
        "status": "idle",
        "team_id": str(UUID(int=7)),
        "job_role_id": None,
    }


def test_an_embedding_is_kept_as_its_digest() -> None:
    role = JobRole(name="welder", seniority="lead", embedding_384=at_angle(1))
    found = snapshot(role)
    assert found["embedding_384"] == digest(at_angle(1))
    assert found["requirements_embedding_384"] is None


def test_the_request_s_own_data_stay_out() -> None:
    agent = Agent(name="Anna", idempotency_key="secret-key", fingerprint=bytes(32))
    assert "secret-key" not in str(snapshot(agent))
