"""noxlib's environment variables: what each does, which values it takes; a slip of the pen is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from noxlib.errors import UsageError

PREFIX = "NOXLIB_"
_SWITCH = r"on|off"
_NEAR = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable. `legal` is a regular expression of its whole value, `words` says it to people."""

    does: str
    legal: str = ""
    words: str = ""
    noun: str = "value"
    kind: str = "user"  # user | internal | test: who sets it


def _switch(does: str) -> Variable:
    return Variable(does=does, legal=_SWITCH, words='"on" or "off"')


def _internal(does: str) -> Variable:
    return Variable(does=does, kind="internal")


VARIABLES: dict[str, Variable] = {
    "NOXLIB_BOX": Variable(
        does="`guarded` or `namespace` forces that kind of box",
        legal="guarded|namespace",
        words='"guarded" or "namespace"',
        noun="box",
    ),
    "NOXLIB_CACHE": Variable(
        does="the folder of server binaries and database templates, by its absolute path",
        legal="/.*",
        words="an absolute path",
    ),
    "NOXLIB_MACHINE_LOCK": Variable(
        does="`held`: an outer session holds the machine's lock for this one", legal="held", words='"held"'
    ),
    "NOXLIB_PG_BIN": Variable(does="the bin folder of the PostgreSQL to use"),
    "NOXLIB_PG_SYSTEM": _switch("`off` hides the system's PostgreSQL"),
    "NOXLIB_RACE_SEED": Variable(
        does="the one seed that `noxlib_race` replays", legal=r"[0-9]+", words="a whole number"
    ),
    "NOXLIB_REDIS_BIN": Variable(does="the folder of the Redis or Valkey server to use"),
    "NOXLIB_REDIS_SYSTEM": _switch("`off` hides the system's Redis and Valkey"),
    "NOXLIB_STATE": Variable(does="another folder than `.noxlib`, relative to services.toml's"),
    "NOXLIB_TMPFS": _switch("`off` keeps boxes on the disk"),
    "NOXLIB_TMPFS_SIZE": Variable(
        does="the size of a box's tmpfs, as mount(8) takes it: `50%`, `512m`, `2g`",
        legal=r"[1-9][0-9]*[kKmMgG%]?",
        words='a size such as "512m", "2g" or "50%"',
    ),
    "NOXLIB_UV": _switch("`off`: virtualenvs are built by venv and pip"),
    "NOXLIB_SESSION": _internal("the session file, mode 0600"),
    "NOXLIB_SESSION_TAKEN": _internal("which pytest serves it"),
    "NOXLIB_BOX_ID": _internal("the box's marker"),
    "NOXLIB_NEWER_PYTHON": _internal("tells a start that an older Python has handed it on"),
    "NOXLIB_SOAK_ROUNDS": Variable(
        does="how often `chaos-noxlib` kills a session", legal=r"[0-9]+", words="a whole number", kind="test"
    ),
    "NOXLIB_CORPUS": Variable(
        does="`full`: `integration-noxlib` tries all that resets must see on the wheel's PostgreSQL, too",
        legal="full",
        words='"full"',
        kind="test",
    ),
    "NOXLIB_WRITE_FIGURES": Variable(does="the page that `performance-noxlib` writes", kind="test"),
}


def check(environ: Mapping[str, str], warn: Callable[[str], object]) -> None:
    """Warn of names that noxlib doesn't know, and refuse values that it can't understand, all at once.

    An unknown name is no error: it may be somebody else's. An empty value is none.
    Raises UsageError.
    """
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in sorted(given.keys() - VARIABLES.keys()):
        warn(unknown(name))
    faults = [text for name, value in sorted(given.items()) if (text := fault(name, value))]
    if faults:
        raise UsageError("\n".join(faults), remedy="correct it, or unset it")


def unknown(name: str) -> str:
    """Say that a variable isn't noxlib's, and which one may be meant."""
    users = [each for each, variable in VARIABLES.items() if variable.kind == "user"]
    near = get_close_matches(
        name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in users], 1, _NEAR
    )
    guess = f" Did you mean {PREFIX}{near[0]}?" if near else ""
    return f"{name} is set, and noxlib knows no such variable.{guess}"


def fault(name: str, value: str) -> str:
    """Say what is wrong with a variable's value, or return ""."""
    variable = VARIABLES.get(name)
    if variable is None or not value or not variable.legal or re.fullmatch(variable.legal, value, re.DOTALL):
        return ""
    return f"{name}={value}: unknown {variable.noun}, must be {variable.words}"
