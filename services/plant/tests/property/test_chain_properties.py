from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from hypothesis import assume, given
from hypothesis import strategies as st

from plant.audit.chain import Head, Record, canonical
from plant_chain import FIRST, chained, judged

TEXTS = st.text(max_size=20)
RECORDS = st.builds(
    replace,
    st.just(FIRST),
    entity_id=st.uuids(),
    kind=TEXTS,
    action=TEXTS,
    version=st.integers(1, 9),
    actor=TEXTS,
    payload=TEXTS,
    recorded_at=st.datetimes(timezones=st.just(timezone.utc)),
)
CHAINS = st.lists(RECORDS, min_size=1, max_size=8)


@given(one=RECORDS, other=RECORDS)
def test_two_records_look_alike_only_when_they_are_the_same(one: Record, other: Record) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@given(records=CHAINS, more=CHAINS)
def test_a_chain_stays_whole_however_it_grows(records: list[Record], more: list[Record]) -> None:
    first, head = chained(records)
    second, end = chained(more, head)
    assert judged(first + second, end).intact
    assert not judged(first, end).intact


@given(records=CHAINS, pick=st.data())
def test_any_change_of_any_record_is_found(records: list[Record], pick: st.DataObject) -> None:
    whole, head = chained(records)
    place = pick.draw(st.integers(0, len(whole) - 1))
    change = pick.draw(RECORDS)
    forged = replace(change, sequence=whole[place].sequence, previous_hash=whole[place].previous_hash)
    forged = replace(forged, record_hash=whole[place].record_hash)
    assume(forged != whole[place])
    verdict = judged([*whole[:place], forged, *whole[place + 1 :]], head)
    assert [fault.sequence for fault in verdict.faults] == [place + 1]


@given(records=st.lists(RECORDS, min_size=2, max_size=8), pick=st.data())
def test_any_other_order_or_selection_is_found(records: list[Record], pick: st.DataObject) -> None:
    whole, head = chained(records)
    other = pick.draw(st.lists(st.sampled_from(whole), max_size=len(whole) + 1))
    assert judged(other, head).intact == (other == whole)


@given(records=CHAINS, cut=st.integers(0, 8))
def test_a_chain_may_be_pruned_anywhere(records: list[Record], cut: int) -> None:
    whole, head = chained(records)
    assume(cut <= len(whole))
    hashes = [Head().hash, *(each.record_hash for each in whole)]
    pruned = replace(head, pruned_sequence=cut, pruned_hash=hashes[cut])
    assert judged(whole[cut:], pruned).intact


@given(moment=st.datetimes(timezones=st.just(timezone.utc)))
def test_every_microsecond_counts(moment: datetime) -> None:
    micro = (moment.microsecond + 1) % 1_000_000
    other = replace(FIRST, recorded_at=moment.replace(microsecond=micro))
    assert canonical(replace(FIRST, recorded_at=moment)) != canonical(other)
