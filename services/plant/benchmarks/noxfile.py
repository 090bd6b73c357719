"""The usual way: what a container per run amounts to, without the container, written by hand.

nox -f services/plant/benchmarks/noxfile.py -s usual -- <python of the service's environment> <folder of
PostgreSQL's programs>
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

HERE = Path(__file__).resolve().parent
SERVICE = HERE.parent


@contextmanager
def one_server(programs: str) -> Iterator[int]:
    """Run one server for one run of the suite; yield its port."""
    command = [sys.executable, str(HERE / "one_server_process.py"), programs]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.communicate()


@nox.session(python=False)
def usual(session: nox.Session) -> None:
    """Start a server, migrate, run the tests one after the other, look at their coverage."""
    python, programs = session.posargs
    session.chdir(SERVICE)
    session.env["COVERAGE_FILE"] = str(Path(session.create_tmp(), "coverage").resolve())
    with one_server(programs) as port:
        session.env["DATABASE_URL"] = f"postgresql+asyncpg://app:app@127.0.0.1:{port}/plant"
        session.env["ONE_SERVER_ADMIN"] = f"postgresql://postgres@127.0.0.1:{port}"
        session.env["PYTHONPATH"] = str(HERE)
        session.run(python, "-m", "alembic", "upgrade", "head", external=True)
        pytest = ("-m", "pytest", "-q", "-p", "no:xdist", "-p", "one_server_fixtures", "tests/integration")
        session.run(python, *pytest, "--cov", "--cov-branch", "--cov-report=", external=True)
    session.run(python, "-m", "coverage", "report", "--fail-under=90", external=True)
