"""Migrations and seeds: in the service's folder and environment, against its own server."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from noxlib import launch
from noxlib.errors import ResourceError
from noxlib.model import Lease
from noxlib.resources import postgres_sql
from noxlib.resources.postgres_endpoint import Endpoint
from noxlib.resources.postgres_lease import libpq
from noxlib.resources.postgres_order import PostgresOrder

COMMAND_SECONDS = 3600.0  # of a session that stands; others have their time limit


def provision(order: PostgresOrder, server: Endpoint, lease: Lease) -> None:
    """Run the migration, the seed command and the seed files. Raises ResourceError."""
    settings = order.settings
    if settings.migrate:
        _command(order, "migrate", settings.migrate, lease)
    if settings.seed_command:
        _command(order, "seed_command", settings.seed_command, lease)
    for path in _seed_files(order):
        _seed(order, server, path)


def _command(order: PostgresOrder, what: str, words: tuple[str, ...], lease: Lease) -> None:
    # Of a further server, too: psql and alembic must find the one that is migrated.
    environment = {**order.environment, **libpq(lease.values), **lease.env}
    program = shutil.which(words[0], path=environment.get("PATH"))
    if program is None:
        raise ResourceError(
            f"{order.place}.{_key(what)}: there is no `{words[0]}` in the service's virtualenv or on PATH",
            remedy=f"lock the package that brings {words[0]}, or mend the command",
        )
    _run(order, what, [program, *words[1:]], environment, lease.secrets)


def _key(what: str) -> str:
    """Return the key as services.toml has it: a seed command stands under `seed`."""
    return what.partition("_")[0]


def _seed_files(order: PostgresOrder) -> list[Path]:
    found: list[Path] = []
    for pattern in order.settings.seed:
        files = sorted(order.service_folder.glob(pattern))
        if not files:
            raise ResourceError(
                f'{order.place}.seed: "{pattern}" matches no file in the service\'s folder',
                remedy="mend the pattern, or remove it",
            )
        found += files
    return found


def _seed(order: PostgresOrder, server: Endpoint, path: Path) -> None:
    name = path.relative_to(order.service_folder).as_posix()
    psql = Path(order.binaries.bin_dir) / "psql"
    if psql.exists():
        # psql says file and line by itself, and knows \copy and \i.
        words = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", name]
        _run(order, "seed", words, {**order.environment, **_socket(order, server)}, ())
        return
    dsn = server.dsn(user=order.settings.role, database=order.settings.database)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(f"{order.place}.seed: {name} can't be read: {error}") from error
    with postgres_sql.connected(dsn) as connection:
        postgres_sql.execute(connection, text, f"{order.place}.seed: {name}")
    order.event("postgres.seed", resource=order.name, file=name)


def _socket(order: PostgresOrder, server: Endpoint) -> dict[str, str]:
    """Return libpq's variables for the private socket, where no password is needed."""
    return {
        "PGHOST": str(server.socket_folder),
        "PGPORT": str(server.port),
        "PGUSER": order.settings.role,
        "PGDATABASE": order.settings.database,
        "PGCLIENTENCODING": "UTF8",
    }


def _run(
    order: PostgresOrder,
    what: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    secrets: Sequence[str],
) -> None:
    kind = _key(what)
    log = order.log.with_name(f"{order.log.stem}-{kind}.log")
    setting = launch.Setting(
        cwd=order.service_folder,
        env=environment,
        log=log,
        redactor=launch.Redactor(secrets),
    )
    done = launch.run(words, setting, timeout=COMMAND_SECONDS)
    order.event(f"postgres.{kind}", resource=order.name, code=done.code, seconds=done.seconds)
    if done.code or done.timed_out:
        raise ResourceError(f"{order.place}.{kind}: {done.describe(log)}")
