from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from plant.audit.chain import GENESIS, MOST_FAULTS, Break, Fault, Head, canonical, hash_of
from plant_chain import FIRST, chained, judged


def test_the_canonical_form_is_fixed_for_ever() -> None:
    """A change here makes every chain that was ever written look forged."""
    assert canonical(FIRST) == (
        b"4:acme1:136:00000000-0000-0000-0000-0000000000014:team6:insert1:14:Anna23:"
        b'{"name": "night shift"}16:1793521800123456' + b"64:" + b"0" * 64
    )
    assert hash_of(FIRST) == hashlib.sha256(canonical(FIRST)).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "acm"},
        {"sequence": 2},
        {"entity_id": UUID(int=2)},
        {"kind": "agent"},
        {"action": "update"},
        {"version": 2},
        {"actor": "Bela"},
        {"payload": "{}"},
        {"recorded_at": FIRST.recorded_at + timedelta(microseconds=1)},
        {"previous_hash": bytes(31) + b"\x01"},
    ],
)
def test_every_field_counts(change: dict[str, Any]) -> None:
    assert hash_of(replace(FIRST, **change)) != hash_of(FIRST)


def test_what_moves_from_one_field_to_the_next_counts() -> None:
    assert hash_of(replace(FIRST, kind="team1", action="x")) != hash_of(
        replace(FIRST, kind="team", action="1x")
    )


def test_the_length_is_of_bytes_as_the_database_counts() -> None:
    assert b"6:\xc3\x84nne-" in canonical(replace(FIRST, actor="Änne-"))


def test_an_unbroken_chain_is_intact() -> None:
    records, head = chained([FIRST] * 3)
    verdict = judged(records, head)
    assert (verdict.intact, verdict.records, verdict.head) == (True, 3, head.hash)


def test_no_records_and_no_head_are_intact() -> None:
    verdict = judged([], Head())
    assert (verdict.intact, verdict.records, verdict.head) == (True, 0, GENESIS)


def test_a_pruned_chain_goes_on_where_it_was_cut() -> None:
    records, head = chained([FIRST] * 3)
    cut = replace(head, pruned_sequence=1, pruned_hash=records[0].record_hash)
    assert judged(records[1:], cut).intact
    assert not judged(records[1:], head).intact
    assert not judged(records, cut).intact


def test_each_break_is_named_where_it_shows() -> None:
    records, head = chained([FIRST] * 4)
    altered = [records[0], replace(records[1], actor="Mallory"), *records[2:]]
    assert judged(altered, head).faults == (Fault(sequence=2, kind=Break.ALTERED),)
    assert judged([records[0], *records[2:]], head).faults == (Fault(sequence=3, kind=Break.MISSING),)
    assert judged(records[:-1], head).faults == (Fault(sequence=4, kind=Break.TRUNCATED),)


def test_a_record_that_was_rewritten_with_its_hash_breaks_the_next_link() -> None:
    records, head = chained([FIRST] * 3)
    forged = replace(records[1], actor="Mallory")
    forged = replace(forged, record_hash=hash_of(forged))
    assert judged([records[0], forged, records[2]], head).faults == (Fault(sequence=3, kind=Break.UNLINKED),)


def test_a_chain_that_was_rewritten_as_a_whole_doesn_t_end_at_its_head() -> None:
    _, head = chained([FIRST] * 3)
    forged, _ = chained([replace(FIRST, actor="Mallory")] * 3)
    assert judged(forged, head).faults == (Fault(sequence=3, kind=Break.TRUNCATED),)


def test_the_list_of_faults_ends_somewhere() -> None:
    records, head = chained([FIRST] * (MOST_FAULTS + 50))
    verdict = judged([replace(each, actor="Mallory") for each in records], head)
    assert (verdict.records, len(verdict.faults)) == (MOST_FAULTS + 50, MOST_FAULTS)
