"""Run migrations over the connection that DATABASE_URL names, all of them in one transaction."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from plant.audit.tables import AuditRecord
from plant.settings import read_settings

# Two deployments that start at once must not migrate at once: any number that no other
# program locks in this database will do.
MIGRATION_LOCK = 0x706C616E74


def migrate(connection: Connection) -> None:
    """Bring the database to the revision that the command line names."""
    context.configure(connection=connection, target_metadata=AuditRecord.metadata)
    with context.begin_transaction():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        context.run_migrations()


async def connect_and_migrate() -> None:
    """Open the one connection that a migration needs."""
    engine = create_async_engine(read_settings(os.environ).database_url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    raise SystemExit("these migrations run against a database: set DATABASE_URL, leave --sql away")
asyncio.run(connect_and_migrate())
