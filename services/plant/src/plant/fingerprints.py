"""Tell whether two requests ask for the same entity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(kind: str, body: Mapping[str, Any]) -> bytes:
    """Return 32 bytes that are equal for equal requests.

    Made from what a request means, not from its bytes: white space, the order of JSON keys and
    defaults that were spelt out don't count.
    """
    text = json.dumps([kind, body], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).digest()
