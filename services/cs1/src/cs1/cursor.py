"""Where a page of a statement begins, as an opaque text."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from cs1.errors import BadCursorError

ID_BYTES = 16
NUMBER_BYTES = 8
MAX_NUMBER = 2**63 - 1


def encode(account_id: UUID, number: int) -> str:
    """Return the cursor of the page after entry `number` of the account."""
    raw = account_id.bytes + number.to_bytes(NUMBER_BYTES, "big")
    return base64.urlsafe_b64encode(raw).decode()


def decode(account_id: UUID, text: str) -> int:
    """Return the entry's number; raises BadCursorError, also for another account's cursor."""
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except binascii.Error:
        raise BadCursorError("Not a cursor of this service.") from None
    number = int.from_bytes(raw[ID_BYTES:], "big")
    if len(raw) != ID_BYTES + NUMBER_BYTES or number > MAX_NUMBER:
        raise BadCursorError("Not a cursor of this service.")
    if raw[:ID_BYTES] != account_id.bytes:
        raise BadCursorError("The cursor belongs to another account.")
    return number
