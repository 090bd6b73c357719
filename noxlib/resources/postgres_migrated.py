"""Templates of migrated and seeded clusters: migrations are paid once, whatever their number.

The second layer: the cluster's template (postgres_template), booted, migrated, seeded and packed.
It holds the service's database twice: under its own name, and as a template that nobody can connect to,
of which a running server makes fresh databases for single tests.
"""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

from noxlib.resources import postgres_sql
from noxlib.resources.postgres_boot import boot
from noxlib.resources.postgres_lease import Access, lease, set_password
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_provision import provision
from noxlib.resources.postgres_server import SUPERUSER, Server
from noxlib.resources.postgres_template import TemplateOrder, kept_template, pack_template, template

FORMAT = 1


def migrated_template(order: PostgresOrder, access: Access) -> Path:
    """Return the archive of the migrated, seeded cluster; built once, under a lock.

    Raises ResourceError when a migration or a seed fails; nothing is kept then.
    """
    cluster = _cluster_order(order)
    parts = (FORMAT, cluster.key, order.migration_key)
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    archive = cluster.archive.with_name(f"{key}.tar")
    kept_template(
        archive,
        lambda: _build(order, access, cluster, archive),
        lambda name, **facts: order.event(name, layer="migrated", **facts),
    )
    return archive


def _cluster_order(order: PostgresOrder) -> TemplateOrder:
    return TemplateOrder(
        place=order.place,
        settings=order.settings,
        binaries=order.binaries,
        cache=order.cache,
        folder=order.folder,
        credentials=order.credentials,
        log=order.log,
    )


def _build(order: PostgresOrder, access: Access, cluster: TemplateOrder, archive: Path) -> None:
    server = boot(order, access.auth, lambda: template(cluster, order.event))
    try:
        set_password(order, server, access)
        provision(order, server, lease(order, server, access))
        _add_template_database(order, server)
        # A fast shutdown writes a checkpoint: clones boot without recovery.
        server.terminate(signal.SIGINT)
        pack_template(server.data, archive)
    finally:
        server.stop()


def _add_template_database(order: PostgresOrder, server: Server) -> None:
    """Keep the migrated database a second time; compact, since each clone copies every file of it."""
    database = order.settings.database
    with postgres_sql.connected(server.dsn(database=database)) as connection:
        connection.run("VACUUM (FULL, ANALYZE)")
    admin = "template1" if database == SUPERUSER else SUPERUSER
    with postgres_sql.connected(server.dsn(database=admin)) as connection:
        postgres_sql.clone_database(connection, database, postgres_sql.TEMPLATE, order.settings.role)
        connection.run(f"ALTER DATABASE {postgres_sql.TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
