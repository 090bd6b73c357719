"""Redaction: secrets are replaced where logs and records are written."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SURROGATES = ("surrogateescape", "surrogatepass")


class Redactor:
    """Replace secrets in a stream of bytes, also where a secret is cut by a chunk's end.

    Of several secrets that begin at the same place the longest is replaced. What is held back
    belongs to one stream: give each further stream its own `twin`.
    """

    MASK = b"[redacted]"

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secrets; further ones may be added while the stream runs."""
        self._known = _Secrets()
        self._held = b""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Redact these too, in the twins as well. Empty strings are ignored."""
        given = [item for item in secrets if item]
        # As it comes out of a program, and as `text` encodes a name that isn't UTF-8.
        self._known.add(item.encode(errors=each) for item in given for each in _SURROGATES)

    def twin(self) -> Redactor:
        """Return a redactor of another stream that knows the same secrets, now and later."""
        other = Redactor()
        other._known = self._known
        return other

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be shown of all that came so far."""
        data = self._held + chunk
        waiting = self._known.unfinished(data)
        shown = bytearray()
        at = 0
        for match in self._known.pattern.finditer(data):
            start, end = match.span()
            if any(at <= place <= start for place in waiting):
                break
            shown += data[at:start] + self.MASK
            at = end
        hold = min((place for place in waiting if place >= at), default=len(data))
        self._held = data[hold:]
        return bytes(shown + data[at:hold])

    def flush(self) -> bytes:
        """Return what was held back, at the stream's end."""
        held, self._held = self._held, b""
        return self._replace(held)

    def text(self, value: str) -> str:
        """Redact one whole text."""
        return self._replace(value.encode(errors="surrogatepass")).decode(errors="replace")

    def _replace(self, data: bytes) -> bytes:
        return self._known.pattern.sub(self.MASK, data)


class _Secrets:
    """What several streams redact. A new pattern replaces the old in one step: pumps are threads."""

    def __init__(self) -> None:
        self.pattern = re.compile(b"(?!)")
        self._values: tuple[bytes, ...] = ()

    def add(self, values: Iterable[bytes]) -> None:
        found = {*values, *self._values}
        if not found:
            return
        self._values = tuple(sorted(found, key=lambda item: (-len(item), item)))
        self.pattern = re.compile(b"|".join(re.escape(item) for item in self._values))

    def unfinished(self, data: bytes) -> list[int]:
        """Return the places near the end of `data` where a secret may have begun."""
        values = self._values
        if not values:
            return []
        first = max(0, len(data) - len(values[0]) + 1)
        return [
            place
            for place in range(first, len(data))
            if any(len(item) > len(data) - place and item.startswith(data[place:]) for item in values)
        ]
