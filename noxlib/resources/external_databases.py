"""What sessions make on an external server: their names, whose they are, and how they go.

All that a session makes there begins with noxlib_<8 digits of its run>_<number>. While it lives it
holds an advisory lock of that number: what nobody holds a lock for was left by a run that was killed.
"""

from __future__ import annotations

import time
from typing import Any

from noxlib.resources import postgres_sql

LOCK_CLASS = 0x6E6F786C  # "noxl"
DROP_SECONDS = 10.0
_OURS = "^noxlib_[0-9a-f]{8}_[0-9]+"
_NAME_CHARACTERS = 40  # of at most 63, less the prefix


_OWN_CLIENTS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :a"


def prefix(run_id: str, number: int) -> str:
    """Return how the names of a session's n-th external server begin; 8 hexadecimal digits end a run's id."""
    return f"noxlib_{run_id[-8:]}_{number}"


def database_name(prefix: str, database: str) -> str:
    """Return the name of the service's own database."""
    return f"{prefix}_{database[:_NAME_CHARACTERS]}"


def template_name(prefix: str) -> str:
    """Return the name of the database that fresh ones are made of."""
    return f"{prefix}t"


def hold(connection: Any, prefix: str) -> None:
    """Show as long as the connection lasts that the session lives."""
    number = int.from_bytes(bytes.fromhex(prefix.split("_")[1]), "big", signed=True)
    connection.run("SELECT pg_advisory_lock_shared(:class, :number)", **{"class": LOCK_CLASS}, number=number)


def remove(connection: Any, prefix: str) -> list[str]:
    """Drop what a session has made, its clients cut off; return the names of what won't go, and why."""
    deadline = time.monotonic() + DROP_SECONDS
    while True:
        # A database that is being made shows only when it's done, also when its maker is dead.
        making = connection.run(_OWN_CLIENTS, a=prefix)
        left = _dropped(connection, f"^{prefix}(t$|_|$)", force=True)
        if not (left or making) or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def remove_lost(connection: Any) -> None:
    """Drop what runs have left that were killed with all their processes."""
    # In this order: a session takes its lock before it makes anything.
    names = _names(connection, _OURS)
    living = connection.run(
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = :c AND objsubid = 2",
        c=LOCK_CLASS,
    )
    held = {f"{number:08x}" for (number,) in living}
    for lost in sorted({name.split("_")[1] for name in names} - held):
        _dropped(connection, f"^noxlib_{lost}_[0-9]+(t$|_|$)", force=False)


def _names(connection: Any, pattern: str) -> list[str]:
    rows = connection.run(
        "SELECT datname FROM pg_database WHERE datname ~ :p"
        " UNION SELECT rolname FROM pg_roles WHERE rolname ~ :p",
        p=pattern,
    )
    return [name for (name,) in rows]


def _dropped(connection: Any, pattern: str, *, force: bool) -> list[str]:
    """Drop databases, then roles; return what is left, each with what PostgreSQL says."""
    left = []
    for (name,) in connection.run("SELECT datname FROM pg_database WHERE datname ~ :p", p=pattern):
        try:
            postgres_sql.drop_database(connection, name, force=force)
        except Exception as error:  # noqa: BLE001  the others must go
            left.append(f"{name}: {postgres_sql.said(error)}")
    for (name,) in connection.run("SELECT rolname FROM pg_roles WHERE rolname ~ :p", p=pattern):
        try:
            connection.run(f"DROP ROLE IF EXISTS {postgres_sql.quoted(name)}")
        except Exception as error:  # noqa: BLE001  as above
            left.append(f"{name}: {postgres_sql.said(error)}")
    return left
