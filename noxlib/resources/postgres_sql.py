"""SQL that noxlib itself runs, through the driver that testing.postgresql brings."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from noxlib.errors import ResourceError

SHOWN = 200  # characters of a statement in an error


@contextlib.contextmanager
def connected(dsn: Mapping[str, Any], timeout: float | None = None) -> Iterator[Any]:
    """Open a connection over a Unix socket, in autocommit, and close it."""
    import pg8000.native  # noqa: PLC0415  most of testing.postgresql's own cost

    # A socket of our own: pg8000 leaks its socket when the server doesn't answer.
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(dsn["unix_sock"])
        connection = pg8000.native.Connection(user=dsn["user"], database=dsn["database"], sock=sock)
        try:
            yield connection
        finally:
            with contextlib.suppress(pg8000.native.Error, OSError):
                connection.close()


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


def quoted(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


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
