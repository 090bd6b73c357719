"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose rows are meant, and who is written into the audit trail."""

    tenant: str = "default"
    actor: str = "anonymous"
