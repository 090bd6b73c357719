"""`python -m noxlib`: what nox itself can't do."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from noxlib import __version__, box, config
from noxlib.errors import BinariesNotFoundError, NoxlibError, UsageError
from noxlib.files import cache_folder, write_whole
from noxlib.model import TEST_TYPES, Postgres, Redis

NOXFILE = f"""\
# /// script
# dependencies = ["noxlib=={__version__}", "nox>=2026.10"]
# ///
from noxlib import generate_sessions

generate_sessions("services.toml")
"""
SERVICES = """\
[platform]
name = "{name}"

[services.{name}]
path = "."

# Types without tests yet: write one test in tests/<type>/, then remove the line.
[defaults.types]
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a NoxlibError is printed, with its class's code."""
    parser = argparse.ArgumentParser(prog="python -m noxlib", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        command.add_argument("services", nargs="?", default="services.toml", type=Path)
        command.set_defaults(function=function)
    chosen = parser.parse_args(words)
    try:
        chosen.function(chosen.services)
    except NoxlibError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def init(services: Path) -> None:
    """Write a first services.toml and noxfile.py for the folder you stand in."""
    noxfile = services.with_name("noxfile.py")
    there = [each.name for each in (services, noxfile) if each.exists()]
    if there:
        raise UsageError(f"{' and '.join(there)} exist already", remedy="edit them; init overwrites nothing")
    letters = "".join(letter if letter.isalnum() else "-" for letter in Path.cwd().name.lower()).strip("-")
    name = letters if letters[:1].isalpha() else f"service-{letters}".rstrip("-")
    folder = services.resolve().parent
    missing = [kind for kind in TEST_TYPES if not (folder / "tests" / kind).is_dir()]
    off = "".join(f"{kind}.enabled = false\n" for kind in missing)
    write_whole(services, SERVICES.format(name=name) + off)
    write_whole(noxfile, NOXFILE)
    print(f"wrote {services} and {noxfile.name}; next: `nox -l`")


def check(services: Path) -> None:
    """Say every problem in services.toml, and what it asks for that isn't available yet."""
    platform = config.load(services)
    for coming in config.not_available(platform):
        print(f"{services}: {coming}")
    print(f"{services}: {len(platform.services)} services, no problem")


def schema(_services: Path) -> None:
    """Print the JSON Schema of services.toml, for editors."""
    print(json.dumps(config.schema(), indent=2))


def doctor(_services: Path) -> None:
    """Say what this machine offers: box, PostgreSQL, Redis, installers, folders."""
    from noxlib.resources.binaries import find_binaries  # noqa: PLC0415  the other commands don't need it
    from noxlib.resources.redis_binaries import find_redis  # noqa: PLC0415  as above

    print(f"noxlib      {__version__}, Python {sys.version.split()[0]}")
    print(f"box         {box.choose()}")
    found = find_binaries(Postgres(), "doctor", cache_folder(), lambda line: print(f"            {line}"))
    print(f"PostgreSQL  {found.version} ({found.origin}, {len(found.extensions)} extensions)")
    try:
        redis = find_redis(Redis(), "doctor", cache_folder(), lambda line: print(f"            {line}"))
        print(f"Redis       {redis.product} {redis.version} ({redis.origin})")
    except BinariesNotFoundError as error:
        print(f"Redis       {error}")  # only services that declare it need it
    for tool in ("uv", "poetry", "git"):
        print(f"{tool:<11} {shutil.which(tool) or 'not on PATH'}")
    print(f"cache       {cache_folder()}")


COMMANDS: dict[str, Callable[[Path], None]] = {
    "init": init,
    "check": check,
    "schema": schema,
    "doctor": doctor,
}

if __name__ == "__main__":
    sys.exit(main())
