"""Run migrations over the connection that DATABASE_URL names, all of them in one transaction."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from gateway.schema import metadata
from gateway.settings import database_url

# Two deployments that start at once must not migrate at once: any number that no other
# program locks in this database will do.
MIGRATION_LOCK = 0x67617465


def migrate() -> None:
    """Bring the database to the revision that the command line names."""
    engine = create_engine(database_url(os.environ), poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("these migrations run against a database: set DATABASE_URL, leave --sql away")
migrate()
