"""A running server, wherever it runs: what a provider of databases must offer to the code above it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Endpoint(Protocol):
    """Where leases, migrations, seeds and the pool find a session's databases."""

    @property
    def port(self) -> int:
        """The port on 127.0.0.1, inside the box."""

    @property
    def socket_folder(self) -> Path:
        """The folder of the Unix socket, inside the box."""

    @property
    def template(self) -> str:
        """The database that fresh ones are made of."""

    @property
    def guards_roles(self) -> bool:
        """Whether noxlib may put back what a test changed of its role."""

    @property
    def durable(self) -> bool:
        """Whether it waits for the disk, as noxlib's own servers don't."""

    def dsn(self, **kwargs: Any) -> dict[str, Any]:
        """Return what noxlib itself connects by; a user and a database may be named."""

    def room(self) -> tuple[int, Path] | None:
        """Return the bytes that are free for databases, and where; None when nobody can know."""
