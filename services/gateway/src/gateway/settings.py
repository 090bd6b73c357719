"""What the process is told through its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway.limits.plans import Plan

DRIVER = "postgresql+psycopg"
TENANT = re.compile(r"[a-z0-9-]{1,63}")  # what plant takes as X-Tenant


class SettingsError(Exception):
    """The environment doesn't say what the service needs to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set; times are seconds. Passwords stay inside the URLs, which aren't shown."""

    database_url: URL
    redis_url: str = field(repr=False)
    cs1_url: str
    plant_url: str
    tenant: str = "default"
    pool_size: int = 10
    workers: int = 2
    upstream_timeout: float = 1.0
    lease: float = 10.0
    default_plan: Plan = field(default_factory=lambda: Plan(per_second=50, burst=100))


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read DATABASE_URL, REDIS_URL, CS1_URL, PLANT_URL and what begins with GATEWAY_.

    Raises SettingsError; its text never repeats a value, since a URL may hold a password.
    """
    return Settings(
        database_url=database_url(environ),
        redis_url=_url(environ, "REDIS_URL", ("redis", "rediss", "unix")),
        cs1_url=_url(environ, "CS1_URL", ("http", "https")),
        plant_url=_url(environ, "PLANT_URL", ("http", "https")),
        tenant=_tenant(environ),
        pool_size=_count(environ, "GATEWAY_POOL_SIZE", 10),
        workers=_count(environ, "GATEWAY_WORKERS", 2),
        upstream_timeout=_seconds(environ, "GATEWAY_UPSTREAM_TIMEOUT", 1.0),
        lease=_seconds(environ, "GATEWAY_LEASE", 10.0),
        default_plan=Plan(
            per_second=_count(environ, "GATEWAY_RATE", 50, most=100_000),
            burst=_count(environ, "GATEWAY_BURST", 100),
        ),
    )


def database_url(environ: Mapping[str, str]) -> URL:
    """Read DATABASE_URL, all that migrations need. Raises SettingsError."""
    try:
        url = make_url(environ.get("DATABASE_URL", ""))
    except ArgumentError:
        raise SettingsError(
            f"DATABASE_URL: give it the form {DRIVER}://user:password@host:port/name"
        ) from None
    if url.drivername != DRIVER:
        raise SettingsError(f"DATABASE_URL: must begin with {DRIVER}://, the driver that is installed")
    return url


def _url(environ: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    text = environ.get(name, "")
    if urlsplit(text).scheme not in schemes:
        raise SettingsError(f"{name}: must begin with {schemes[0]}://")
    return text


def _tenant(environ: Mapping[str, str]) -> str:
    tenant = environ.get("GATEWAY_TENANT", "default")
    if not TENANT.fullmatch(tenant):
        raise SettingsError("GATEWAY_TENANT: must be 1 to 63 of a-z, 0-9 and -, as plant names its tenants")
    return tenant


def _count(environ: Mapping[str, str], name: str, default: int, most: int = 1_000_000) -> int:
    text = environ.get(name, str(default))
    if not text.isdecimal() or not 0 < int(text) <= most:
        raise SettingsError(f"{name}: must be a whole number above 0, {most} at most")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        found = float(environ.get(name, default))
    except ValueError:
        found = 0.0
    if not 0 < found <= 3600:  # noqa: PLR2004  an hour; NaN isn't within either
        raise SettingsError(f"{name}: must be a number of seconds above 0, an hour at most")
    return found
