"""The server of one run: testing.postgresql as it comes. Ends when its standard input closes.

python one_server_process.py <folder of PostgreSQL's programs>
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pg8000.native
import testing.postgresql

PREPARE = {
    "postgres": ("CREATE ROLE app LOGIN", "CREATE DATABASE plant OWNER app"),
    "plant": ("CREATE EXTENSION vector", "CREATE EXTENSION pg_trgm"),
}


def main() -> None:
    """Start the server, say on which port it is, and wait for the end."""
    programs = Path(sys.argv[1])
    with testing.postgresql.Postgresql(
        initdb=str(programs / "initdb"), postgres=str(programs / "postgres")
    ) as server:
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
