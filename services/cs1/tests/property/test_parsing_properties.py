"""What goes out and comes back is the same; what is no message of ours is refused in one way."""

from __future__ import annotations

import contextlib
import json
import logging
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cs1.api.bodies import EntryBody, NewTransfer
from cs1.cursor import MAX_NUMBER, decode, encode
from cs1.errors import BadCursorError
from cs1.idempotency import fingerprint
from cs1.ledger import MAX_AMOUNT, Side
from cs1.logs import JsonFormatter

NUMBERS = st.integers(0, MAX_NUMBER)
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=200)
ENTRIES = st.builds(
    EntryBody, account=st.uuids(), side=st.sampled_from(Side), amount=st.integers(1, MAX_AMOUNT)
)
TRANSFERS = st.builds(NewTransfer, description=LINES, entries=st.lists(ENTRIES, min_size=2, max_size=5))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)


@given(account=st.uuids(), number=NUMBERS)
def test_a_cursor_comes_back(account: UUID, number: int) -> None:
    assert decode(account, encode(account, number)) == number


@given(account=st.uuids(), other=st.uuids(), number=NUMBERS)
def test_a_cursor_opens_one_account_only(account: UUID, other: UUID, number: int) -> None:
    if account == other:
        return
    with pytest.raises(BadCursorError):
        decode(other, encode(account, number))


@given(account=st.uuids(), text=st.text(st.characters(codec="utf-8")))
def test_no_text_breaks_the_reading_of_cursors(account: UUID, text: str) -> None:
    with contextlib.suppress(BadCursorError):
        decode(account, text)


@given(transfer=TRANSFERS)
def test_a_transfer_survives_json(transfer: NewTransfer) -> None:
    again = NewTransfer.model_validate_json(transfer.model_dump_json())
    assert again == transfer
    one, other = transfer.order("k"), again.order("k")
    assert fingerprint(one.description, one.entries) == fingerprint(other.description, other.entries)


@given(one=TRANSFERS, other=TRANSFERS)
def test_fingerprints_tell_transfers_apart(one: NewTransfer, other: NewTransfer) -> None:
    first, second = one.order("k"), other.order("k")
    same = fingerprint(first.description, first.entries) == fingerprint(second.description, second.entries)
    assert same == (one == other)


@given(body=JSON)
def test_no_json_breaks_the_reading_of_transfers(body: object) -> None:
    with contextlib.suppress(ValidationError):
        NewTransfer.model_validate_json(json.dumps(body))


@given(message=st.text(), value=st.text())
def test_a_log_record_is_one_line_of_json(message: str, value: str) -> None:
    record = logging.makeLogRecord({"msg": message, "args": (), "fields": {"value": value}})
    text = JsonFormatter().format(record)
    assert len(text.splitlines()) == 1
    parsed = json.loads(text)
    assert (parsed["message"], parsed["value"]) == (message, value)
