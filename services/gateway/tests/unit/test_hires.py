from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from gateway.hires import State
from gateway_memory import order


def test_equal_hires_have_equal_fingerprints_whatever_their_key() -> None:
    assert order(key="a").fingerprint() == order(key="b").fingerprint()


@pytest.mark.parametrize(
    "change",
    [{"skill": "Welding"}, {"payer": UUID(int=9)}, {"payee": UUID(int=9)}, {"fee": 251}],
)
def test_any_difference_shows(change: dict[str, Any]) -> None:
    assert replace(order(), **change).fingerprint() != order().fingerprint()


def test_a_fingerprint_is_the_same_tomorrow() -> None:
    """It is stored: a new release that computed another one would refuse every repeated request."""
    assert order().fingerprint().hex()[:16] == "b6e662a3e913029f"


def test_two_states_are_final() -> None:
    assert {state for state in State if state.final} == {State.DONE, State.REJECTED}
