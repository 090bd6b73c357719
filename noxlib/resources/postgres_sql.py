"""SQL that noxlib itself runs, through the driver that testing.postgresql brings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noxlib.errors import ResourceError


@contextlib.contextmanager
def connected(dsn: Mapping[str, Any]) -> Iterator[Any]:
    """Open a connection in autocommit and close it."""
    import pg8000.native  # noqa: PLC0415  40 ms that a warm start never pays

    connection = pg8000.native.Connection(**dsn)
    try:
        yield connection
    finally:
        connection.close()


def execute(connection: Any, sql: str) -> None:
    """Run one or several statements; raises ResourceError with PostgreSQL's own words."""
    import pg8000  # noqa: PLC0415

    try:
        connection.execute_simple(sql)
    except pg8000.DatabaseError as error:
        raise ResourceError(f"{_words(error, sql)}\n    in: {_short(sql)}") from error


def execute_file(connection: Any, path: Path, name: str) -> None:
    """Run a file of statements; the error names file and line."""
    import pg8000  # noqa: PLC0415

    try:
        sql = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(f"{name}: can't be read: {error}") from error
    try:
        connection.execute_simple(sql)
    except pg8000.DatabaseError as error:
        raise ResourceError(f"{name}:{_line(error, sql)}: {_words(error, sql)}") from error


def quoted(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def _details(error: Exception) -> dict[str, str]:
    """Return the fields of PostgreSQL's ErrorResponse: M message, P position, H hint."""
    found = error.args[0] if error.args else {}
    return found if isinstance(found, dict) else {"M": str(found)}


def _words(error: Exception, _sql: str) -> str:
    fields = _details(error)
    hint = f" ({fields['H']})" if "H" in fields else ""
    return f"PostgreSQL says: {fields.get('M', error)}{hint}"


def _line(error: Exception, sql: str) -> int:
    position = int(_details(error).get("P", 1))
    return sql.count("\n", 0, position - 1) + 1


def _short(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= 200 else f"{line[:197]}..."  # noqa: PLR2004
