"""noxlib: one services.toml, one nox session per service and test type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noxlib.sessions import generate_sessions

__all__ = ["__version__", "generate_sessions"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "generate_sessions":
        from noxlib.sessions import generate_sessions  # noqa: PLC0415  lazy: nox may be absent

        return generate_sessions
    raise AttributeError(f"module 'noxlib' has no attribute {name!r}")
