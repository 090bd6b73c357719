"""CI's PostgreSQL, and what tests of passwords and foreign servers look at."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noxlib.box import free_port
from noxlib.files import cache_folder
from noxlib.model import Postgres
from noxlib.resources import postgres_sql
from noxlib.resources.binaries import find_binaries
from noxlib.resources.postgres_server import Server, ServerOrder
from noxlib.resources.postgres_user import server_credentials
from noxlib.testing import Project, Result

EXTERNAL = (
    '[services.a.postgres]\nexternal = { variable = "CI_DATABASE_URL", allow = ["127.0.0.1:*/ci_*"] }\n'
)
RELEASED = "a/tests/integration/test_db.py"


@dataclass
class Container:
    """A server that CI has started."""

    server: Server
    password: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.server.port}/ci_shop"

    def ask(self, sql: str) -> Any:
        with postgres_sql.connected(self.server.dsn()) as connection:
            rows = connection.run(sql)
            return rows[0][0] if rows else None

    def ours(self) -> int:
        names = "(SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles) AS n(name)"
        return int(self.ask(f"SELECT count(*) FROM {names} WHERE name LIKE 'noxlib%'"))


@contextmanager
def ci_server() -> Iterator[Container]:
    folder = Path(tempfile.mkdtemp(prefix="nxe"))
    folder.chmod(0o711)
    binaries = find_binaries(Postgres(), "test", cache_folder(), print)
    server = Server(
        ServerOrder(
            binaries=binaries,
            folder=folder / "server",
            log=folder / "server.log",
            credentials=server_credentials(),
            host="127.0.0.1",
            port=free_port(),
            auth="scram-sha-256",
        )
    )
    server.base.mkdir()
    found = Container(server, secrets.token_urlsafe(24))
    try:
        server.setup()
        server.start()
        found.ask(f"ALTER ROLE postgres PASSWORD '{found.password}'")
        found.ask("CREATE DATABASE ci_shop")
        yield found
    finally:
        server.stop()
        shutil.rmtree(folder)


class Onlookers:
    """Whoever looks at the process list while something runs."""

    def __init__(self, *words: str) -> None:
        self._words = [word.encode() for word in words]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.seen: set[bytes] = set()

    def __enter__(self) -> Onlookers:  # noqa: PYI034  typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                self.seen |= {line for word in self._words if word in line}


def settings(platform: Project, extra: str = "", suite: str = "") -> None:
    services = platform.folder / "services.toml"
    text = services.read_text().replace("[services.a.postgres]\n", EXTERNAL + extra)
    services.write_text(text + suite)


def files_with(folder: Path, secret: str) -> list[Path]:
    """Return what holds a secret of all that a project keeps: runs, state, logs; the tests' own files aside."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".nox" not in path.parts)
    return [path for path in paths if secret.encode() in path.read_bytes()]


def run(platform: Project, box: str, env: dict[str, str], session: str = "integration-a") -> Result:
    return platform.nox("-s", session, env={"NOXLIB_BOX": box, "BOX": box, **env})


def passing(platform: Project, *names: str) -> None:
    services = platform.folder / "services.toml"
    listed = ", ".join(f'"{name}"' for name in ("MY_TOKEN", "BOX", *names))
    services.write_text(services.read_text().replace('pass_env = ["MY_TOKEN"]', f"pass_env = [{listed}]"))
