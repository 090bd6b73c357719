"""Where services.toml and a variable name an external server: check it before anything is started."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noxlib import dsn
from noxlib.dsn import Dsn, ExternalServer
from noxlib.errors import ResourceError
from noxlib.model import Binaries, External, Postgres
from noxlib.resources import postgres_sql
from noxlib.resources.binaries import lacking
from noxlib.resources.candidates import admits

CONNECT_SECONDS = 10.0
_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]*")
_RIGHTS = "SELECT rolsuper, rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"


def find_external(
    settings: Postgres, place: str, outside: Mapping[str, str]
) -> tuple[ExternalServer, Binaries] | None:
    """Return the server that the variable names; None where it is unset or empty: then it's noxlib's own.

    Raises ResourceError for a server that may not or can't be used. No message holds the password.
    """
    external = settings.external
    text = outside.get(external.variable, "") if external else ""
    if external is None or not text:
        return None
    place = f"{place}.external"
    address = _allowed(external, text, place)
    try:
        with postgres_sql.connected(connection_to(address), CONNECT_SECONDS) as connection:
            superuser, creates = connection.run(_RIGHTS)[0]
            version = ".".join(map(str, postgres_sql.server_version(connection)))
            extensions = tuple(sorted(name for (name,) in connection.run(_EXTENSIONS)))
    except Exception as error:
        # pg8000 raises several families here, and so does the network.
        raise ResourceError(
            f"{place}: {external.variable} names {address.shown}, and it can't be used: "
            f"{postgres_sql.said(error)}",
            remedy=f"start that server, or unset {external.variable} to use a server of noxlib's own",
        ) from error
    server = _server(address, text, superuser=superuser)
    faults = "; ".join(_faults(settings, server, version, extensions, creates=creates))
    if faults:
        raise ResourceError(
            f"{place}: {external.variable} names {address.shown}, and it doesn't do: {faults}",
            remedy=f"change that server, or unset {external.variable} to use a server of noxlib's own",
        )
    return server, Binaries(bin_dir=_programs(), version=version, origin="external", extensions=extensions)


_EXTENSIONS = "SELECT name FROM pg_available_extensions"


def connection_to(server: Dsn | ExternalServer) -> dict[str, Any]:
    """Return what noxlib connects to the server by, from outside of the box."""
    return {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
    }


def _allowed(external: External, text: str, place: str) -> Dsn:
    try:
        address = dsn.parse(text)
    except ValueError as error:
        raise ResourceError(
            f"{place}.variable: the value of {external.variable} {error}",
            remedy=f"correct {external.variable}, or unset it to use a server of noxlib's own",
        ) from None
    if not dsn.admitted(address, external.allow):
        raise ResourceError(
            f"{place}.allow: {external.variable} names {address.shown}, which isn't on the list: "
            f"{', '.join(external.allow)}",
            remedy=f"unset {external.variable} to use a server of noxlib's own; or add the server, "
            "if tests may make and drop databases there",
        )
    return address


def _server(address: Dsn, text: str, *, superuser: bool) -> ExternalServer:
    return ExternalServer(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=address.database,
        superuser=superuser,
        secrets=dsn.secrets(text, address),
    )


def _faults(
    settings: Postgres, server: ExternalServer, version: str, extensions: tuple[str, ...], *, creates: bool
) -> Iterator[str]:
    if not admits(settings.version, version):
        yield f'its version {version} isn\'t "{settings.version}"'
    if lacks := lacking(settings.extensions, extensions):
        yield f"it {lacks}"
    if not creates:
        yield f"{server.user} may not make databases (ALTER ROLE ... CREATEDB)"
    if not server.superuser and not _URL_SAFE.fullmatch(server.password):
        yield (
            f"{server.user} is no superuser, so that the tests get its password, which has characters "
            "that a URL can't hold: use letters, digits and . _ ~ -"
        )


def _programs() -> str:
    """Return the folder of a psql: seeds may use its own commands."""
    found = shutil.which("psql")
    return str(Path(found).parent) if found else ""
