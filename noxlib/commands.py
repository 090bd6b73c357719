"""`python -m noxlib`: what nox itself can't do."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from noxlib import __version__, box, config, first_services, variables
from noxlib.errors import ConfigError, EnvironmentBuildError, NoxlibError, UsageError
from noxlib.files import cache_folder, locked, write_whole
from noxlib.model import Platform, Postgres, Redis

NOXFILE = f"""\
# /// script
# dependencies = ["noxlib=={__version__}", "nox>=2026.10"]
# ///
from noxlib import generate_sessions

generate_sessions({{services}})
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
        if chosen.function is not doctor:  # which says it among the rest
            variables.check(os.environ, _warn)
        chosen.function(chosen.services)
        sys.stdout.flush()
    except NoxlibError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("noxlib: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `schema | head`: what is left unwritten must not fail a second time when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def init(services: Path) -> None:
    """Write a first services.toml and noxfile.py for the folder you stand in."""
    noxfile = services.with_name("noxfile.py")
    there = [each.name for each in (services, noxfile) if each.exists()]
    if there:
        raise UsageError(f"{' and '.join(there)} exist already", remedy="edit them; init overwrites nothing")
    write_whole(services, first_services.text(services.resolve().parent))
    write_whole(noxfile, NOXFILE.format(services=json.dumps(services.name)))
    print(f"wrote {services} and {noxfile.name}")
    try:
        _inspected(services)
    except ConfigError as error:
        # Nothing that was written is wrong; these are missing beside it.
        print(f"before a session can run:\n{error}\nthen: `nox -l`")
    else:
        print("next: `nox -l`")


def check(services: Path) -> None:
    """Say every problem in services.toml, and what it asks for that isn't available yet."""
    platform = _inspected(services)
    coming = config.not_available(platform)
    for each in coming:
        print(f"{services}: {each.key}: {each.what}: not available yet")
    count = len(platform.services)
    found = "no problem" + (", but for what is not available yet" if coming else "")
    print(f"{services}: {count} service{'s' if count > 1 else ''}, {found}")


def _inspected(services: Path) -> Platform:
    return config.inspect(services, lambda platform: _lock_faults(platform, services.parent))


def _lock_faults(platform: Platform, root: Path) -> Iterator[tuple[list[str | int], str]]:
    from noxlib.environment import Order  # noqa: PLC0415  the other commands don't need it
    from noxlib.environment.locks import find_lock  # noqa: PLC0415  as above

    for name, service in platform.services.items():
        order = Order(service=service, folder=root / service.path, python="", store=root, tools=())
        try:
            find_lock(order)
        except EnvironmentBuildError as error:
            yield _lock_fault(name, error)


def _lock_fault(name: str, error: EnvironmentBuildError) -> tuple[list[str | int], str]:
    """Return the key that an error about a lock begins with, and the fault with its remedy."""
    place, _, fault = error.message.partition(": ")
    path: list[str | int] = list(place.split(".")) if "." in place else ["services", name]
    return path, f"{fault}. {error.remedy[:1].upper()}{error.remedy[1:]}"


def schema(_services: Path) -> None:
    """Print the JSON Schema of services.toml, for editors."""
    print(json.dumps(config.schema(), indent=2))


def doctor(_services: Path) -> None:
    """Say what this machine offers: box, PostgreSQL, Redis, installers, folders."""
    problems: list[NoxlibError] = []
    print(f"noxlib      {__version__}, Python {sys.version.split()[0]}")
    for name, row in (
        ("variables", _variables),
        ("cache", _cache),
        ("box", box.choose),
        ("PostgreSQL", _postgres),
    ):
        try:
            said = row()
        except NoxlibError as error:
            problems.append(error)
            said = "\n            ".join(str(error).splitlines())
        if said:
            print(f"{name:<11} {said}")
    print(f"Redis       {_redis()}")
    for tool in ("uv", "poetry", "git"):
        print(f"{tool:<11} {shutil.which(tool) or 'not on PATH'}")
    if problems:
        titles = ", ".join(dict.fromkeys(each.title for each in problems))
        raise type(problems[0])(f"{len(problems)} of these keep sessions from running: {titles}")


def _variables() -> str:
    strange: list[str] = []
    variables.check(os.environ, strange.append)
    return "\n            ".join(strange)


def _cache() -> str:
    folder = cache_folder()
    with locked(folder / "doctor.lock"):  # the machine's own may be held for long
        return str(folder)


def _postgres() -> str:
    from noxlib.resources.binaries import find_binaries  # noqa: PLC0415  the other commands don't need it

    found = find_binaries(Postgres(), "doctor", cache_folder(), _progress)
    return f"{found.version} ({found.origin}, {len(found.extensions)} extensions)"


def _redis() -> str:
    from noxlib.resources.redis_binaries import find_redis  # noqa: PLC0415  as above

    try:
        found = find_redis(Redis(), "doctor", cache_folder(), _progress)
    except NoxlibError as error:
        return str(error)  # only services that declare it need it
    return f"{found.product} {found.version} ({found.origin})"


def _progress(line: str) -> None:
    print(f"            {line}")


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)


def guide(services: Path) -> None:
    """Print a page of what each service needs of PostgreSQL and Redis, and how it gets it."""
    from noxlib import guide as page  # noqa: PLC0415  the other commands don't need it

    print(page.text(_inspected(services)), end="")


COMMANDS: dict[str, Callable[[Path], None]] = {
    "init": init,
    "check": check,
    "guide": guide,
    "schema": schema,
    "doctor": doctor,
}
