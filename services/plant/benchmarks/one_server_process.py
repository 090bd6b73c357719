"""The server of one run: testing.postgresql as it comes. Ends when its standard input closes.

python one_server_process.py <folder of PostgreSQL's programs>
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pg8000.native
import testing.postgresql

PREPARE = {
    "postgres": ("CREATE ROLE app LOGIN", "CREATE DATABASE plant OWNER app"),
    "plant": ("CREATE EXTENSION vector", "CREATE EXTENSION pg_trgm"),
}

# PostgreSQL refuses root: it gets a folder that is somebody else's, and runs as them.
AS_NOBODY = """#!/bin/sh
chown -R nobody:nogroup "{base}"
exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- "{program}" "$@"
"""


def program(path: Path, base: Path) -> str:
    """Return what starts a program of PostgreSQL on a folder."""
    if os.geteuid():
        return str(path)
    script = base.parent / path.name
    script.write_text(AS_NOBODY.format(base=base, program=path), encoding="utf-8")
    script.chmod(0o755)
    return str(script)


def main() -> None:
    """Start the server, say on which port it is, and wait for the end."""
    programs = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        base.mkdir()
        base.parent.chmod(0o755)
        serve(
            base_dir=str(base),
            initdb=program(programs / "initdb", base),
            postgres=program(programs / "postgres", base),
        )


def serve(**options: str) -> None:
    """Run testing.postgresql until the standard input closes."""
    with testing.postgresql.Postgresql(**options) as server:
        port = server.dsn()["port"]
        for database, statements in PREPARE.items():
            connection = pg8000.native.Connection("postgres", "127.0.0.1", database, port)
            for statement in statements:
                connection.run(statement)
            connection.close()
        print(json.dumps({"port": port}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
