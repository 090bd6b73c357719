"""SQL that noxlib itself runs, through the driver that testing.postgresql brings."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from noxlib.errors import ResourceError
from noxlib.model import Postgres

SHOWN = 200  # characters of a statement in an error
RENAME_MS = 50  # then a client is there; PostgreSQL would wait 5 s for it to go
CLIENT_GONE_SECONDS = 5.0  # a backend needs a moment to go after its client
TEMPLATE = "noxlib_template"  # the database that the server makes fresh ones of


@contextlib.contextmanager
def connected(dsn: Mapping[str, Any], timeout: float | None = None) -> Iterator[Any]:
    """Open a connection in autocommit, over a Unix socket or TCP, and close it."""
    import pg8000.native  # noqa: PLC0415  most of testing.postgresql's own cost

    # A socket of our own: pg8000 leaks its socket when the server doesn't answer.
    with _opened(dsn, timeout) as sock:
        connection = pg8000.native.Connection(
            user=dsn["user"],
            database=dsn["database"],
            password=dsn.get("password"),
            application_name=dsn.get("application_name"),
            sock=sock,
            ssl_context=False,  # reading the certificates would cost 20 ms
        )
        try:
            yield connection
        finally:
            with contextlib.suppress(pg8000.native.Error, OSError):
                connection.close()


def _opened(dsn: Mapping[str, Any], timeout: float | None) -> socket.socket:
    if "unix_sock" not in dsn:
        return socket.create_connection((dsn["host"], dsn["port"]), timeout)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(timeout)
        sock.connect(dsn["unix_sock"])
    except BaseException:
        sock.close()
        raise
    return sock


def answers(connection: Any) -> bool:
    """Tell whether the server still has the other end of a connection."""
    import pg8000.native  # noqa: PLC0415  as above

    try:
        connection.execute_simple("")
    except (pg8000.native.Error, OSError):
        return False
    return True


def execute(connection: Any, sql: str, place: str) -> None:
    """Run one or several statements; raises ResourceError with PostgreSQL's own words."""
    import pg8000.native  # noqa: PLC0415  as above

    try:
        connection.execute_simple(sql)
    except pg8000.native.DatabaseError as error:
        fields = _fields(error)
        line = sql.count("\n", 0, int(fields.get("P", 1)) - 1) + 1
        hint = f"\n  hint: {fields['H']}" if "H" in fields else ""
        shown = " ".join(sql.split())
        shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
        raise ResourceError(
            f"{place}: line {line}: PostgreSQL says: {fields.get('M', error)}{hint}\n  in: {shown}"
        ) from error


def furnish(connection: Any, settings: Postgres, place: str) -> None:
    """Give the service's database its extensions and run its init_sql. Raises ResourceError."""
    for extension in settings.extensions:
        statement = f"CREATE EXTENSION IF NOT EXISTS {quoted(extension)} CASCADE"
        execute(connection, statement, f"{place}.extensions")
    for number, statement in enumerate(settings.init_sql):
        execute(connection, statement, f"{place}.init_sql[{number}]")


def quoted(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def clone_database(connection: Any, source: str, name: str, role: str, *, durable: bool = False) -> None:
    """Make a database of another one, with what belongs to it but lies in shared catalogs.

    CREATE DATABASE leaves out `ALTER DATABASE ... SET` and `GRANT ... ON DATABASE`. Raises
    DatabaseError.
    """
    # Since 15 the default copies through the WAL, which costs twice as much; but for a server that syncs
    # to disk two checkpoints would cost eight times as much.
    strategy = " STRATEGY file_copy" if not durable and server_version(connection) >= (15,) else ""
    connection.execute_simple(
        f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(source)} OWNER {quoted(role)}{strategy}"
    )
    own = connection.run(
        "SELECT EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase = d.oid) OR d.datacl IS NOT NULL"
        " FROM pg_database d WHERE d.datname = :source",
        source=source,
    )
    if own[0][0]:
        copy = _copy_settings if connection.parameter_statuses["is_superuser"] == "on" else _copy_as_owner
        copy(connection, source, name)


def _copy_settings(connection: Any, source: str, name: str) -> None:
    connection.run("SET allow_system_table_mods = on")
    connection.run(
        "INSERT INTO pg_db_role_setting SELECT n.oid, s.setrole, s.setconfig FROM pg_db_role_setting s"
        " JOIN pg_database d ON d.oid = s.setdatabase, pg_database n"
        " WHERE d.datname = :source AND n.datname = :name",
        source=source,
        name=name,
    )
    connection.run(
        "UPDATE pg_database n SET datacl = d.datacl FROM pg_database d"
        " WHERE d.datname = :source AND n.datname = :name",
        source=source,
        name=name,
    )
    connection.run("RESET allow_system_table_mods")


def _copy_as_owner(connection: Any, source: str, name: str) -> None:
    """Do by commands what only a superuser may do in the catalogs."""
    rows = connection.run(
        "SELECT unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
        " WHERE d.datname = :source AND s.setrole = 0",
        source=source,
    )
    for (pair,) in rows:
        set_for_database(connection, name, *pair.split("=", 1))
    grants = connection.run(
        "SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END"
        " FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = :source",
        source=source,
    )
    if grants:
        connection.run(f"REVOKE ALL ON DATABASE {quoted(name)} FROM PUBLIC")
    for right, grantee in grants:
        connection.run(f"GRANT {right} ON DATABASE {quoted(name)} TO {grantee}")


def set_for_database(connection: Any, database: str, key: str, value: str) -> None:
    """Give a database a setting of its own. Raises DatabaseError.

    By way of the session's own: a list, such as search_path, can't be written as one string.
    """
    connection.run("SELECT set_config(:key, :value, false)", key=key, value=value)
    name = ".".join(map(quoted, key.split(".")))
    try:
        connection.run(f"ALTER DATABASE {quoted(database)} SET {name} FROM CURRENT")
    finally:
        connection.run(f"RESET {name}")


def warm(dsn: Mapping[str, Any], admin: Any) -> None:
    """Let a template database write its catalog cache, which a server's start has removed.

    Clones copy the file: their first connections take 3.3 ms instead of 4.5.
    """
    name = quoted(dsn["database"])
    admin.execute_simple(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    with connected(dsn):
        pass
    admin.execute_simple(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    deadline = time.monotonic() + CLIENT_GONE_SECONDS
    while clients(admin, dsn["database"]) and time.monotonic() < deadline:
        time.sleep(0.001)


def rename_database(connection: Any, name: str, new: str) -> None:
    """Give a database a name that its former clients don't know.

    Raises DatabaseError while anybody is connected: afterwards, nobody is.
    """
    connection.execute_simple(
        f"SET LOCAL statement_timeout = {RENAME_MS}; ALTER DATABASE {quoted(name)} RENAME TO {quoted(new)}"
    )


def drop_database(connection: Any, name: str, *, force: bool) -> None:
    """Remove a database; `force` ends its clients (PostgreSQL 13 or newer), and waits 100 ms for that."""
    how = " WITH (FORCE)" if force and server_version(connection) >= (13,) else ""
    connection.execute_simple(f"DROP DATABASE IF EXISTS {quoted(name)}{how}")


def clients(connection: Any, name: str) -> int:
    """Return how many backends and prepared transactions a database has.

    The latter can't be ended from outside, and a DROP DATABASE without force waits 5 s for them.
    """
    rows = connection.run(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = :name)"
        " + (SELECT count(*) FROM pg_prepared_xacts WHERE database = :name)",
        name=name,
    )
    return int(rows[0][0])


def database_bytes(connection: Any, name: str) -> int:
    """Return the size of a database. Raises ResourceError when it isn't there."""
    rows = connection.run("SELECT pg_database_size(oid) FROM pg_database WHERE datname = :name", name=name)
    if not rows:
        raise ResourceError(
            f"the database {name} is gone: a test has dropped it",
            remedy="leave it alone: noxlib makes the tests' databases of it",
        )
    return int(rows[0][0])


def said(error: Exception) -> str:
    """Return what PostgreSQL says, in one line."""
    return str(_fields(error).get("M", error))


def server_version(connection: Any) -> tuple[int, ...]:
    """Return the server's version as numbers: (15, 18)."""
    said = connection.parameter_statuses["server_version"]
    return tuple(int(part) for part in said.split()[0].split(".") if part.isdecimal())


def verifier(password: str, iterations: int) -> str:
    """Return what the server keeps of a password (RFC 5803): no log can show the password itself.

    A strong random password needs no slow hash: with one iteration a connection costs the server
    microseconds instead of milliseconds.
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"


def _fields(error: Exception) -> dict[str, str]:
    """Return the fields of PostgreSQL's ErrorResponse: M message, P position, H hint."""
    found = error.args[0] if error.args else {}
    return found if isinstance(found, dict) else {"M": str(found)}
