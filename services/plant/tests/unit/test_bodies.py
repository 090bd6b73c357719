from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from plant.api.bodies import Change, NewAgent, NewIndustry, NewJobRole, NewSkill, NewTeam, Question
from plant.entities import Agent, BaseEntity, Industry, JobRole, Skill, Team
from plant_embeddings import at_angle

BODIES: list[tuple[Any, dict[str, Any], type[BaseEntity]]] = [
    (NewSkill, {"name": "welding", "category": "metal"}, Skill),
    (NewIndustry, {"name": "mining", "sector": "primary"}, Industry),
    (NewTeam, {"name": "night shift", "capacity": 8}, Team),
    (NewJobRole, {"name": "welder", "seniority": "lead"}, JobRole),
    (NewAgent, {"name": "Anna"}, Agent),
]


@pytest.mark.parametrize(("body", "values", "kind"), BODIES)
def test_a_body_becomes_the_entity_of_its_kind(
    body: Any, values: dict[str, Any], kind: type[BaseEntity]
) -> None:
    entity = body(**values).entity()
    assert type(entity) is kind
    assert {key: getattr(entity, key) for key in values} == values


@pytest.mark.parametrize(("body", "values", "_kind"), BODIES)
def test_a_misspelt_key_is_refused(body: Any, values: dict[str, Any], _kind: type[BaseEntity]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        body(**values, descripton="typo")


def test_a_default_that_is_spelt_out_makes_no_other_request() -> None:
    short = NewAgent(name="Anna")
    assert short.fingerprint() == NewAgent(name="Anna", status="idle", description="").fingerprint()
    assert short.fingerprint() != NewAgent(name="Anna", team_id=UUID(int=1)).fingerprint()


@pytest.mark.parametrize("name", ["", " ", "\t\n", "x" * 201, "a\x00b"])
def test_a_name_is_more_than_white_space(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        NewAgent(name=name)


@pytest.mark.parametrize("capacity", [0, 1001, "8", 1.5, True])
def test_a_capacity_is_a_whole_number_within_bounds(capacity: Any) -> None:
    with pytest.raises(ValidationError, match="capacity"):
        NewTeam(name="x", capacity=capacity)


def test_a_change_holds_what_is_named_alone() -> None:
    assert Change(version=2).values() == {}
    assert Change(version=2, description="").values() == {"description": ""}
    assert Change(version=2, name="new").values() == {"name": "new"}


@pytest.mark.parametrize("embedding", [[1.0], [0.0] * 384, [float("nan")] * 384, "text", None])
def test_a_question_needs_an_embedding(embedding: Any) -> None:
    with pytest.raises(ValidationError, match="embedding"):
        Question(embedding=embedding)


@pytest.mark.parametrize("limit", [0, 101])
def test_a_question_asks_for_a_bounded_answer(limit: int) -> None:
    with pytest.raises(ValidationError, match="limit"):
        Question(embedding=at_angle(0), limit=limit)
