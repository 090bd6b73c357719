"""The address of a PostgreSQL server that isn't noxlib's, and the places where one may be used.

Stricter than libpq: what libpq would complete or let another part override is refused, because the
address that is checked must be the address that is connected to. No fault repeats what was given: a
password may be in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

PORT = 5432
EXAMPLE = "postgresql://user:password@host:5432/database"
_SCHEME = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?://")
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_HOST})(?::([0-9]{{1,5}}))?")
_DATABASE = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_PLACE = re.compile(rf"({_HOST})(?::([0-9]{{1,5}}|\*))?/([A-Za-z0-9_.*-]{{1,63}})")
_HARMLESS = {"sslmode": ("disable", "allow", "prefer"), "connect_timeout": None, "application_name": None}
_MOST_PORT = 65535
_WORDS = ("postgres", "postgresql", "password", "secret")
_LEAST = 6  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsn:
    """One server, one database, one user."""

    host: str  # lower case; an IPv6 address compressed, without brackets
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def shown(self) -> str:
        """The address as a person may see it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalServer:
    """A PostgreSQL server outside of the box that a session makes its databases on."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str  # where noxlib itself connects to
    superuser: bool
    secrets: tuple[str, ...] = field(repr=False)  # what no log may show
    prefix: str = ""  # of the names of all that the session makes there
    channel: int = -1  # the file descriptor over which the box gets its connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where databases may be made: a host, a port, and databases by name."""

    host: str
    port: int | None  # None: any
    database: str  # "*" stands for any characters

    def admits(self, dsn: Dsn) -> bool:
        """Tell whether the server and the whole name of the database are meant."""
        pattern = ".*".join(map(re.escape, self.database.split("*")))
        return (
            self.host == dsn.host
            and self.port in {None, dsn.port}
            and re.fullmatch(pattern, dsn.database) is not None
        )


def parse(text: str) -> Dsn:
    """Read postgresql://user:password@host:port/database. Raises ValueError, which shows none of it."""
    scheme = _SCHEME.match(text)
    if not scheme:
        raise ValueError(f"is no URL of a PostgreSQL server: give {EXAMPLE}")
    if not text.isprintable() or re.search(r"[\s#\\]", text):
        raise ValueError("has a space, a # or a control character: write %20, %23, ...")
    rest, _, query = text[scheme.end() :].partition("?")
    authority, _, database = rest.partition("/")
    if "@" in database or "@" in query or authority.count("@") > 1:
        raise ValueError("has an @, / or ? in its user or password: write %40, %2F, %3F")
    given, _, address = authority.rpartition("@")
    user, _, password = given.partition(":")
    host, port = _address(address)
    _check_query(query)
    name = _decoded(database)
    if not _DATABASE.fullmatch(name):
        raise ValueError(f"names no database, or not by letters, digits, _ - and . alone: give {EXAMPLE}")
    if not user:
        raise ValueError(f"names no user: give {EXAMPLE}")
    return Dsn(host=host, port=port, user=_decoded(user), password=_decoded(password), database=name)


def place(text: str) -> Place:
    """Read host/database, host:port/database or host:*/database. Raises ValueError."""
    match = _PLACE.fullmatch(text)
    if not match:
        raise ValueError(
            "must be a host, a slash and a database, in whose name * may stand, "
            'such as "localhost/ci_*", "127.0.0.1:5433/ci" or "db:*/ci", with any port'
        )
    host, port, database = match.groups()
    number = None if port == "*" else _port(port or str(PORT))
    return Place(host=_host(host), port=number, database=database)


def admitted(dsn: Dsn, places: Iterable[str]) -> bool:
    """Tell whether a server may be used, by the list of services.toml."""
    return any(place(each).admits(dsn) for each in places)


def is_secret(dsn: Dsn) -> bool:
    """Tell whether the password hides anything; "postgres" can't be struck out of every log."""
    plain = {dsn.user, dsn.host, dsn.database, *_WORDS}
    return len(dsn.password) >= _LEAST and dsn.password.lower() not in plain


def secrets(text: str, dsn: Dsn) -> tuple[str, ...]:
    """Return every form in which the password could be written."""
    if not dsn.password:
        return (text,)
    escaped = quote(dsn.password, safe="")
    alone = {dsn.password, escaped} if is_secret(dsn) else set()
    return tuple({text, f":{dsn.password}@", f":{escaped}@", *alone})


def _address(text: str) -> tuple[str, int]:
    if "," in text:
        raise ValueError("names several hosts: give one")
    if not text or text.startswith(("%", ":")):
        raise ValueError("names no host, or a Unix socket: give a host that is reached by TCP")
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise ValueError(f"has a host or a port that can't be read: give {EXAMPLE}")
    return _host(match[1]), _port(match[2] or str(PORT))


def _host(text: str) -> str:
    if not text.startswith("["):
        return text.lower()
    import ipaddress  # noqa: PLC0415  the test process pays for this module, too

    try:
        return ipaddress.IPv6Address(text[1:-1]).compressed
    except ValueError:
        raise ValueError("has no IPv6 address between its brackets") from None


def _port(text: str) -> int:
    if not 0 < int(text) <= _MOST_PORT:
        raise ValueError(f"has a port outside of 1 to {_MOST_PORT}")
    return int(text)


def _check_query(query: str) -> None:
    """Refuse what could name another server, another user or another way to get in."""
    seen = set()
    for item in query.split("&") if query else ():
        key, _, value = item.partition("=")
        if key not in _HARMLESS or key in seen:
            raise ValueError(
                "has a parameter behind ? that could change where it leads, or one twice: "
                f"only {', '.join(_HARMLESS)} may stand there"
            )
        seen.add(key)
        legal = _HARMLESS[key]
        if legal and value not in legal:
            raise ValueError(
                f"asks for TLS by {key}, which noxlib doesn't speak to a service container: "
                f"one of {', '.join(legal)}"
            )


def _decoded(text: str) -> str:
    try:
        found = unquote(text, errors="strict")
    except UnicodeDecodeError:
        found = ""
    if (text and not found.isprintable()) or re.search(r"%(?![0-9A-Fa-f]{2})", text) or (text and not found):
        raise ValueError("has an escape behind % that can't be read: write % itself as %25")
    return found
