"""`db-cs1` and `up-cs1` inside their box: say how to connect, and stand until somebody ends it."""

from __future__ import annotations

import shlex
import time

from noxlib.errors import ResourceError
from noxlib.model import Lease, Work
from noxlib.resources.stack import Stack

LOOK_SECONDS = 0.5


def stand(work: Work, stack: Stack) -> None:
    """Print how to reach what runs, and wait; a signal, or the lifeline's end, raises through this.

    Raises ResourceError when something ends by itself.
    """
    for line in lines(work, stack):
        print(line, flush=True)
    running = stack.pids()
    while True:
        time.sleep(LOOK_SECONDS)
        gone = ", ".join(sorted(running.keys() - stack.pids().keys()))
        if gone:
            raise ResourceError(f"{gone} ended by itself\n  logs: {work.run_folder}/logs")


def lines(work: Work, stack: Stack) -> list[str]:
    """Return what a person needs: a command that opens each server, URLs, variables."""
    found: list[str] = []
    for lease in stack.leases:
        found += ["", f"{lease.resource}  {_where(lease)}"]
        if lease.resource.partition("/")[0] == work.plan.service or lease.kind == "process":
            found += [f"  export {name}={shlex.quote(value)}" for name, value in sorted(lease.env.items())]
    names = ", ".join(stack.servers)
    return [*found, "", f"{work.plan.name}: {names or 'up'}; logs in {work.run_folder}/logs; ^C ends it"]


def _where(lease: Lease) -> str:
    values = lease.values
    if lease.kind == "postgres":
        # Over the private socket, where no password is asked for.
        words = {"host": "socket_folder", "port": "port", "user": "user", "dbname": "database"}
        return 'psql "' + " ".join(f"{word}={values[key]}" for word, key in words.items()) + '"'
    if lease.kind == "process":
        return f"http://{lease.address.host}:{lease.address.port}"
    if lease.kind == "redis":
        # A URL without a user is one that redis-cli itself can't log in by.
        word = values["password"] and f"REDISCLI_AUTH={shlex.quote(values['password'])} "
        return f"{word}redis-cli -h {lease.address.host} -p {lease.address.port}"
    return f"{lease.address.host}:{lease.address.port}"
