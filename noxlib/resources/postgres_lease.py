"""What a server hands out: how to prove oneself, and the connection in every shape that is wanted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from noxlib.errors import ResourceError
from noxlib.files import write_whole
from noxlib.model import Address, Lease
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_endpoint import Endpoint
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_server import Server
from noxlib.templates import fill

LIBPQ = ("host", "port", "user", "password", "database")
SCRAM_ITERATIONS = 4096  # the least that RFC 7677 allows; some clients insist
AUTH = ("auto", "trust", "password", "scram-sha-256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How TCP connections prove themselves."""

    auth: str  # trust | password | scram-sha-256
    password: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show."""
        return () if self.auth == "trust" else (self.password,)


def chosen_access(order: PostgresOrder) -> Access:
    """Return how to get in; on a private network nobody else is there.

    A password is sent in clear over loopback: scram costs 4,096 hashes for each connection.
    Raises ResourceError for an unknown `auth`.
    """
    chosen = order.settings.auth
    if chosen not in AUTH:
        raise ResourceError(f'{order.place}.auth: unknown "{chosen}". One of: {", ".join(AUTH)}')
    if chosen == "auto":
        chosen = "trust" if order.private_network else "password"
    return Access(auth=chosen, password="postgres" if chosen == "trust" else secrets.token_urlsafe(24))


def set_password(order: PostgresOrder, server: Server, access: Access) -> None:
    """Let the service's role in by its password."""
    if access.auth == "trust":
        return
    server.redactor.add(access.secrets)
    iterations = SCRAM_ITERATIONS if access.auth == "scram-sha-256" else 1
    kept = postgres_sql.verifier(access.password, iterations)
    role = postgres_sql.quoted(order.settings.role)
    # A database's first connection fills its caches: let it be the service's own.
    with postgres_sql.connected(server.dsn(database=order.settings.database)) as connection:
        postgres_sql.execute(connection, f"ALTER ROLE {role} PASSWORD '{kept}'", f"{order.place}.auth")


def lease(order: PostgresOrder, server: Endpoint, access: Access, database: str = "") -> Lease:
    """Return the lease of a database, the service's own unless another is named."""
    settings = order.settings
    database = database or settings.database
    address = Address(host="127.0.0.1", port=server.port, socket_folder=str(server.socket_folder))
    values = {
        "user": settings.role,
        "password": access.password,
        "host": address.host,
        "port": str(address.port),
        "database": database,
        "socket_folder": address.socket_folder,
        "bin_dir": order.binaries.bin_dir,
    }
    env = libpq(values) if settings.name == "postgres" else {}
    env |= {key: fill(text, values, f"{order.place}.env.{key}") for key, text in settings.env.items()}
    env |= {key: str(_rendered(order, key, values)) for key in settings.render}
    return Lease(
        resource=order.name,
        kind="postgres",
        address=address,
        env=env,
        values=values,
        secrets=access.secrets,
        keep=settings.keep == "failed",
    )


def libpq(values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that psql and every driver over libpq connect by."""
    return {f"PG{name.upper()}": values[name] for name in LIBPQ}


def _rendered(order: PostgresOrder, key: str, values: dict[str, str]) -> Path:
    """Write a configuration file for one database, from the service's template of it."""
    place = f"{order.place}.render.{key}"
    template = order.service_folder / order.settings.render[key]
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(f"{place}: {order.settings.render[key]} can't be read: {error}") from error
    path = order.folder / "rendered" / f"{order.settings.name}-{values['database']}-{key}{template.suffix}"
    write_whole(path, fill(text, values, f"{place}: {order.settings.render[key]}"), mode=0o600)
    return path
