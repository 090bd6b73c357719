"""Tell whether two requests ask for the same transfer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from cs1.ledger import Entry


def fingerprint(description: str, entries: Sequence[Entry]) -> bytes:
    """Return 32 bytes that are equal for equal transfers.

    Made from what a request means, not from its bytes: white space and the order of JSON keys don't
    count. The order of the entries does, since they are booked in that order.
    """
    meaning = [description, [[str(entry.account_id), entry.signed] for entry in entries]]
    return hashlib.sha256(json.dumps(meaning, separators=(",", ":")).encode()).digest()
