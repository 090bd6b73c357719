"""What a session asks of its PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from noxlib import launch
from noxlib.errors import NotAvailableYetError
from noxlib.model import Binaries, Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOrder:
    """All that a session's server needs. Paths are absolute."""

    owner: str  # the service's name
    settings: Postgres
    binaries: Binaries
    folder: Path  # the box's
    cache: Path
    private_network: bool
    credentials: launch.Credentials | None
    log: Path
    kept: Path  # where the cluster goes when databases of failed tests are kept
    service_folder: Path
    environment: Mapping[str, str]  # of migrations and seed commands
    reserve: Callable[[], int]  # a free port, when the network is shared
    event: Callable[..., None]
    migration_key: str  # hash of all that migrations and seeds read, their commands included
    port: int = 5432  # in a private network
    opened: Path | None = None  # a cluster that an earlier run kept, instead of a template's clone

    @property
    def name(self) -> str:
        """The resource's name: "cs1/postgres"."""
        return f"{self.owner}/{self.settings.name}"

    @property
    def place(self) -> str:
        """Where services.toml speaks of the server, for errors."""
        return f"services.toml: services.{self.owner}.{self.settings.name}"


def refuse_proxy(order: PostgresOrder) -> None:
    """Refuse what services.toml may say already and no provider does yet."""
    if order.settings.via != "direct":
        raise NotAvailableYetError(
            f'{order.place}.via = "{order.settings.via}" is not available yet', remedy='use "direct"'
        )
