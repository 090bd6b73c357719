from __future__ import annotations

import pytest

from plant.fingerprints import fingerprint

BODY = {"name": "welding", "category": "metal", "embedding": None}


def test_the_order_of_keys_does_not_count() -> None:
    assert fingerprint("skill", BODY) == fingerprint("skill", dict(reversed(BODY.items())))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("team", BODY),
        ("skill", {**BODY, "name": "Welding"}),
        ("skill", {**BODY, "embedding": [1.0]}),
        ("skill", {"name": "welding", "category": "metal"}),
    ],
)
def test_another_kind_or_content_has_another_fingerprint(kind: str, body: dict[str, object]) -> None:
    assert fingerprint(kind, body) != fingerprint("skill", BODY)


def test_it_is_32_bytes_as_the_table_wants_them() -> None:
    assert len(fingerprint("skill", BODY)) == 32


def test_what_json_can_t_say_has_none() -> None:
    with pytest.raises(ValueError, match="JSON"):
        fingerprint("skill", {"embedding": [float("nan")]})
