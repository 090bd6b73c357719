"""Boot a clone of a template: on a port that is free, from a template that isn't broken."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from noxlib.errors import NoxlibError, ResourceError
from noxlib.resources import postgres_refusal
from noxlib.resources.postgres_archive import BrokenArchiveError
from noxlib.resources.postgres_order import PostgresOrder
from noxlib.resources.postgres_server import BootError, PortTakenError, Server, ServerOrder
from noxlib.resources.postgres_template import discard

PORT_TRIES = 10


def boot(order: PostgresOrder, auth: str, template: Callable[[], Path]) -> Server:
    """Return a running server over a clone; a template that turns out broken is built once more.

    Raises ResourceError, by the key of services.toml where a setting or the locale is to blame.
    """
    try:
        return _boot(order, auth, template)
    except ResourceError as error:
        raise postgres_refusal.placed(order, error) from error


def _boot(order: PostgresOrder, auth: str, template: Callable[[], Path]) -> Server:
    archive = template()
    found = archive.stat()
    try:
        return boot_clone(order, auth, archive)
    except (BrokenArchiveError, BootError):
        # A disk that was full, a hand in the cache.
        discard(archive, found)
        order.event("postgres.template.broken", key=archive.stem)
        return boot_clone(order, auth, template())


def boot_clone(order: PostgresOrder, auth: str, archive: Path) -> Server:
    """Return a running server over a clone of an archive. Raises ResourceError."""
    for port in _ports(order):
        server = _new_server(order, auth, archive, port)
        try:
            server.setup()
            server.start()
        except PortTakenError as error:
            server.stop()
            taken: NoxlibError = error
        except BaseException:
            server.stop()
            raise
        else:
            return server
    raise ResourceError(
        f"{order.place}: port {port} is taken\n{taken.message}",
        remedy="end what listens there, or leave `port` out so that a free one is chosen",
    ) from taken


def _ports(order: PostgresOrder) -> Iterator[int]:
    fixed = order.port if order.private_network else order.settings.port
    if fixed:
        yield fixed
        return
    for _ in range(PORT_TRIES):
        yield order.reserve()


def _new_server(order: PostgresOrder, auth: str, archive: Path, port: int) -> Server:
    return Server(
        ServerOrder(
            binaries=order.binaries,
            folder=Path(tempfile.mkdtemp(prefix="pg", dir=order.folder)),
            log=order.log,
            template=archive,
            settings=order.settings.settings,
            credentials=order.credentials,
            host="127.0.0.1",
            port=port,
            auth=auth,
        )
    )
