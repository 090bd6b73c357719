"""Why a server didn't boot, by the key of services.toml that is to blame: a setting, or the locale."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from noxlib import launch
from noxlib.errors import NoxlibError, ResourceError
from noxlib.resources.postgres_order import PostgresOrder

# PostgreSQL's words; the servers here speak English (--lc-messages=C, LC_ALL=C).
_UNKNOWN = "unrecognized configuration parameter"
_LOCALE = ("invalid locale name", "encoding mismatch")


def placed(order: PostgresOrder, error: ResourceError) -> ResourceError:
    """Return the error with the key that it is about and a remedy; as it is where neither is known."""
    if error.message.startswith(f"{order.place}."):
        return error  # a template's server was placed already
    if any(words in error.message for words in _LOCALE):
        fault = f'"{order.settings.locale}" is no locale of this machine for UTF-8'
        return ResourceError(
            f"{order.place}.locale: {fault}\n{error.message}",
            remedy="name one that `locale -a` lists, with UTF-8, or leave `locale` out",
        )
    name = _blamed(order, error.message)
    if not name:
        return error
    place = f"{order.place}.settings.{name}"
    if _UNKNOWN not in error.message:
        value = order.settings.settings[name]
        return ResourceError(
            f'{place}: PostgreSQL refuses "{value}"\n{error.message}',
            remedy="correct the value, or remove it",
        )
    near = get_close_matches(name, _parameters(order), 1)
    guess = f"did you mean {near[0]}? Otherwise " if near else ""
    version = order.binaries.version
    return ResourceError(
        f"{place}: PostgreSQL {version} has no such setting\n{error.message}",
        remedy=f"{guess}correct the name, or remove it",
    )


def _blamed(order: PostgresOrder, message: str) -> str:
    """Return the setting that the server's words name first; "" when they name none of the user's."""
    said = message.rpartition("\n  log: ")[0] or message
    places = {name: re.search(rf"\b{re.escape(name)}\b", said) for name in order.settings.settings}
    found = {name: match.start() for name, match in places.items() if match}
    return min(found, key=found.__getitem__, default="")


def _parameters(order: PostgresOrder) -> list[str]:
    """Ask the server's program for the names of its settings."""
    program = Path(order.binaries.bin_dir) / "postgres"
    lines: list[bytes] = []
    try:
        setting = launch.Setting(cwd=Path("/"), sink=lines.append, credentials=order.credentials)
        launch.run([str(program), "--describe-config"], setting, timeout=10)
    except NoxlibError:
        return []
    return [line.partition("\t")[0] for line in b"".join(lines).decode(errors="replace").splitlines()]
