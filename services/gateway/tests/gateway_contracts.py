"""What the gateway expects of cs1 and plant, recorded once (contracts/*.json) and held against both sides.

The clients must send exactly these requests and understand these answers (unit); the stand-ins that
other tests use must answer so (unit), and so must the real processes (e2e). In requests `{name}` is
filled in. In answers it is too, `=text` must be equal, and of other values the type counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2

from gateway.embedding import embed

FOLDER = Path(__file__).parent / "contracts"
UUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Interaction:
    """One request and what is expected to come back."""

    name: str
    request: dict[str, Any]
    response: dict[str, Any]

    def asked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request, filled in."""
        found: dict[str, Any] = fill(self.request, values)
        return found

    def answered(self, values: Mapping[str, Any]) -> httpx2.Response:
        """Return the recorded answer, filled in."""
        body = without_marks(fill(self.response["json"], values))
        return httpx2.Response(self.response["status"], json=body, headers=self.response.get("headers"))


def contract(service: str) -> list[Interaction]:
    """Return what is expected of a service, in an order in which it can be asked."""
    return [Interaction(**each) for each in json.loads((FOLDER / f"{service}.json").read_text())]


def skill_values(skill: str, category: str) -> dict[str, Any]:
    """Return what fills in plant's contract."""
    keys = {
        name: sha256(f"{skill}\n{text}".encode()).hexdigest()
        for name, text in (("skill_key", category), ("other_skill_key", "another"))
    }
    return {"skill": skill, "category": category, "embedding": embed(skill), **keys}


def fill(what: Any, values: Mapping[str, Any]) -> Any:
    """Fill in `{name}`; alone in its string it may stand for any value."""
    if isinstance(what, dict):
        return {key: fill(value, values) for key, value in what.items()}
    if isinstance(what, list):
        return [fill(each, values) for each in what]
    if not isinstance(what, str):
        return what
    if what.startswith("{") and what.endswith("}") and what[1:-1] in values:
        return values[what[1:-1]]
    return what.format_map(values)


def without_marks(what: Any) -> Any:
    """Return an expectation as a plain answer."""
    if isinstance(what, dict):
        return {key: without_marks(value) for key, value in what.items()}
    if isinstance(what, list):
        return [without_marks(each) for each in what]
    return what.removeprefix("=") if isinstance(what, str) else what


def deviations(expected: Any, found: Any, place: str = "$") -> list[str]:
    """Return where an answer isn't as expected. What it has beyond that is its own business."""
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{place}.{key}: missing" for key in expected.keys() - found.keys()]
        both = [key for key in expected if key in found]
        inside = [deviations(expected[key], found[key], f"{place}.{key}") for key in both]
        return missing + [fault for faults in inside for fault in faults]
    if isinstance(expected, list) and isinstance(found, list) and found:
        return deviations(expected[0], found[0], f"{place}[0]")
    return [] if alike(expected, found) else [f"{place}: {found!r} is not like {expected!r}"]


def alike(expected: Any, found: Any) -> bool:
    """Tell whether a value is as expected: equal behind `=`, else of the same kind."""
    if isinstance(expected, str) and expected.startswith("="):
        return bool(found == expected[1:])
    if isinstance(expected, float):
        return isinstance(found, (int, float))
    if isinstance(expected, str) and UUID_FORM.fullmatch(expected):
        return isinstance(found, str) and UUID_FORM.fullmatch(found) is not None
    return type(found) is type(expected) and not isinstance(found, (dict, list))


def check(client: httpx2.Client, interaction: Interaction, values: Mapping[str, Any]) -> list[str]:
    """Ask somebody who should honour the contract; return the deviations."""
    asked = interaction.asked(values)
    answer = client.request(
        asked["method"],
        asked["path"],
        params=asked.get("query"),
        headers=asked.get("headers"),
        json=asked.get("json"),
    )
    expected = interaction.response
    if answer.status_code != expected["status"]:
        return [f"status: {answer.status_code} is not {expected['status']}: {answer.text}"]
    headers = [
        f"{name}: {answer.headers.get(name)!r} is not {value!r}"
        for name, value in expected.get("headers", {}).items()
        if answer.headers.get(name) != value
    ]
    return headers + deviations(fill(expected["json"], values), answer.json())
