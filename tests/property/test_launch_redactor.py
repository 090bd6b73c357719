"""However a stream is cut, what is shown of it is what redacting the whole of it would show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noxlib.launch import Redactor

_LETTERS = "ab]é"
_secrets = st.lists(st.text(_LETTERS, min_size=1, max_size=5), max_size=4)
_streams = st.lists(st.text(_LETTERS, max_size=8).map(str.encode), max_size=8)


def _shown(redactor: Redactor, chunks: list[bytes]) -> bytes:
    return b"".join([*map(redactor.feed, chunks), redactor.flush()])


@given(secrets=_secrets, chunks=_streams)
def test_any_split_shows_what_the_whole_shows(secrets: list[str], chunks: list[bytes]) -> None:
    whole = b"".join(chunks)

    assert _shown(Redactor(secrets), chunks) == _shown(Redactor(secrets), [whole])
    assert _shown(Redactor(secrets), chunks).decode() == Redactor(secrets).text(whole.decode())


@given(secrets=_secrets, text=st.text(_LETTERS, max_size=30))
def test_byte_by_byte_shows_what_the_whole_shows(secrets: list[str], text: str) -> None:
    single = [bytes([byte]) for byte in text.encode()]

    assert _shown(Redactor(secrets), single).decode() == Redactor(secrets).text(text)


@given(
    secret=st.text(st.characters(codec="utf-8", exclude_characters="[redact]"), min_size=1), chunks=_streams
)
def test_a_secret_is_never_shown(secret: str, chunks: list[bytes]) -> None:
    raw = secret.encode()

    assert raw not in _shown(Redactor([secret]), [*chunks, raw[:1], raw[1:], raw])


@given(text=st.text(max_size=40), chunk=st.binary(max_size=40))
def test_without_secrets_nothing_is_changed_or_held_back(text: str, chunk: bytes) -> None:
    assert Redactor().feed(chunk) == chunk
    assert Redactor().text(text) == text


@given(secrets=_secrets, left=_streams, right=_streams)
def test_two_streams_that_share_secrets_do_not_mix(
    secrets: list[str], left: list[bytes], right: list[bytes]
) -> None:
    shared = Redactor(secrets)
    one, two = shared.twin(), shared.twin()
    shown = b"".join(one.feed(chunk) + two.feed(b"") for chunk in left) + one.flush()

    assert shown == _shown(Redactor(secrets), left)
    assert _shown(two, right) == _shown(Redactor(secrets), right)
