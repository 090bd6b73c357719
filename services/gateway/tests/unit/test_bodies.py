from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from gateway.api.bodies import MAX_FEE, HireBody, NewHire, NewSkill
from gateway.hires import Agent, State
from gateway_memory import hire

HIRE: dict[str, Any] = {"skill": "welding", "payer": str(UUID(int=1)), "payee": str(UUID(int=2)), "fee": 250}


def test_an_order_is_what_was_sent() -> None:
    order = NewHire.model_validate(HIRE).order("anna", "key-1")
    assert (order.client, order.key, order.skill, order.fee) == ("anna", "key-1", "welding", 250)
    assert (order.payer, order.payee) == (UUID(int=1), UUID(int=2))


@pytest.mark.parametrize(
    "change",
    [
        {"skill": ""},
        {"skill": "?!"},
        {"skill": "wel\x00ding"},
        {"skill": "x" * 201},
        {"payer": "anna"},
        {"payer": HIRE["payee"]},
        {"fee": 0},
        {"fee": "5"},
        {"fee": 1.5},
        {"fee": MAX_FEE + 1},
        {"tip": 5},
    ],
)
def test_a_hire_that_can_not_be_meant_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewHire.model_validate({**HIRE, **change})


def test_a_skill_needs_words() -> None:
    with pytest.raises(ValidationError, match="must hold a word"):
        NewSkill.model_validate({"name": "welding", "category": "--"})


def test_a_hire_shows_who_was_hired() -> None:
    found = hire(State.MATCHED, agent=Agent(id=UUID(int=5), name="Anna"))
    shown = HireBody.of(found).model_dump(mode="json")
    assert (shown["state"], shown["agent"]["name"], shown["transfer"]) == ("matched", "Anna", None)
