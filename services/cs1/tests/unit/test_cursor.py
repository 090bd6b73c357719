from __future__ import annotations

from base64 import urlsafe_b64encode
from uuid import UUID

import pytest

from cs1.cursor import decode, encode
from cs1.errors import BadCursorError

ACCOUNT = UUID(int=7)


def test_a_cursor_leads_back_to_its_entry() -> None:
    assert decode(ACCOUNT, encode(ACCOUNT, 42)) == 42


def test_a_cursor_of_another_account_is_refused() -> None:
    with pytest.raises(BadCursorError, match="another account"):
        decode(UUID(int=8), encode(ACCOUNT, 42))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "not base64!",
        "\u00e9\u00e9\u00e9\u00e9",
        encode(ACCOUNT, 42)[:-4],
        urlsafe_b64encode(ACCOUNT.bytes + b"\xff" * 8).decode(),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadCursorError, match="Not a cursor"):
        decode(ACCOUNT, text)
