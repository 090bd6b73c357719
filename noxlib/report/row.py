"""One service's line of the coverage report, which every writer is given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One service's line of the report; None is "no data"."""

    service: str
    types: dict[str, float | None]
    combined: float | None
    gate: float
    faults: tuple[str, ...]
    closing: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Nothing is missing or stale, and the gate is reached."""
        return not self.faults
