"""What a client may do, by agreement."""

from __future__ import annotations

from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Requests a second in the long run, and how many may come at once."""

    per_second: int
    burst: int

    @property
    def interval(self) -> int:
        """Return the microseconds that one request uses up; whole ones, to be the same in Lua."""
        return MICROSECONDS // self.per_second
