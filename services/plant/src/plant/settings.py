"""What the process is told through its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+asyncpg"
MOST_CONNECTIONS = 1000


class SettingsError(Exception):
    """The environment doesn't say what the service needs to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """What the connector may use, and how long it waits. Times in seconds.

    Each time-out has its own remedy: `acquire` more connections, `connect` a nearer or livelier
    server, `statement` an index, `answer` nothing but another connection: the server is silent.
    """

    size: int = 10
    overflow: int = 5
    acquire: float = 5.0
    connect: float = 3.0
    statement: float = 10.0  # the server cancels
    answer: float = 15.0  # the client gives up, above `statement`

    @property
    def most(self) -> int:
        """Connections that may be open at once."""
        return self.size + self.overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set. The password is kept inside `URL`, whose text form hides it."""

    database_url: URL
    limits: PoolLimits = field(default_factory=PoolLimits)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read DATABASE_URL, PLANT_POOL_SIZE, PLANT_POOL_OVERFLOW and PLANT_POOL_TIMEOUT (seconds).

    Raises SettingsError; its text never repeats a value, since a DSN holds a password.
    """
    standard = PoolLimits()
    return Settings(
        database_url=_database_url(environ.get("DATABASE_URL", "")),
        limits=PoolLimits(
            size=_count(environ, "PLANT_POOL_SIZE", standard.size, least=1),
            overflow=_count(environ, "PLANT_POOL_OVERFLOW", standard.overflow, least=0),
            acquire=_seconds(environ, "PLANT_POOL_TIMEOUT", standard.acquire),
        ),
    )


def _database_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise SettingsError(
            f"DATABASE_URL: give it the form {DRIVER}://user:password@host:port/name"
        ) from None
    if url.drivername != DRIVER:
        raise SettingsError(f"DATABASE_URL: must begin with {DRIVER}://, the driver that is installed")
    return url


def _count(environ: Mapping[str, str], name: str, standard: int, *, least: int) -> int:
    text = environ.get(name, str(standard))
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= MOST_CONNECTIONS:
        raise SettingsError(f"{name}: must be a whole number from {least} to {MOST_CONNECTIONS}")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, standard: float) -> float:
    try:
        value = float(environ.get(name, standard))
    except ValueError:
        value = 0.0
    if not 0 < value <= 60:  # noqa: PLR2004  a request that waits longer has lost its client
        raise SettingsError(f"{name}: must be a number of seconds above 0, at most 60")
    return value
