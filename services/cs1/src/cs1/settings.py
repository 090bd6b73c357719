"""What the process is told through its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+psycopg"


class SettingsError(Exception):
    """The environment doesn't say what the service needs to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set. The password is kept inside `URL`, whose text form hides it."""

    database_url: URL
    pool_size: int = 10
    rates_url: str | None = None


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read DATABASE_URL, CS1_POOL_SIZE and CS1_RATES_URL.

    Raises SettingsError; its text never repeats a value, since a DSN holds a password.
    """
    return Settings(
        database_url=_database_url(environ.get("DATABASE_URL", "")),
        pool_size=_pool_size(environ.get("CS1_POOL_SIZE", "10")),
        rates_url=environ.get("CS1_RATES_URL") or None,
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


def _pool_size(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise SettingsError("CS1_POOL_SIZE: must be a whole number above 0")
    return int(text)
