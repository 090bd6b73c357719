"""The upstreams' side of the contracts: the real processes answer as it is recorded.

tests/unit/test_contracts.py holds the same records against the gateway's clients.
"""

from __future__ import annotations

from uuid import uuid4

from gateway_contracts import check, contract, skill_values
from gateway_platform import Platform


def test_cs1_answers_as_recorded(platform: Platform) -> None:
    values = {
        "payer": platform.account(1000),
        "payee": platform.account(),
        "nobody": str(uuid4()),
        "hire": str(uuid4()),
        "other_hire": str(uuid4()),
    }
    found = {each.name: check(platform.cs1, each, values) for each in contract("cs1")}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_plant_answers_as_recorded(platform: Platform) -> None:
    platform.employ("Dora", "diver", tenant="contract")
    values = {"tenant": "contract", "agent": "Dora", **skill_values("ship hull inspection", "diver")}
    found = {each.name: check(platform.plant, each, values) for each in contract("plant")}
    assert {name: faults for name, faults in found.items() if faults} == {}
