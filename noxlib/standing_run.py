"""`db-cs1` and `up-cs1` in nox's process: a session without a suite and without a verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from noxlib import box as boxes
from noxlib import run
from noxlib.errors import ResourceError, UsageError
from noxlib.model import Platform, Postgres, Work
from noxlib.records import State


def run_standing(order: run.RunOrder) -> None:
    """Start what the session needs, and keep it until ^C.

    With `<run>/<database>` behind `--`, the database that a failed test's run has kept. Raises
    NoxlibError for what can't be started, or ended by itself.
    """
    state = State.find(order.root)
    boxes.reap()
    # The person's own shell must reach it, whatever the kernel allows.
    work = replace(run.prepare(order, state), box=boxes.GUARDED)
    if order.posargs:
        work = _opened(work, state, order)
    folder = state.new_run(order.plan.name)
    run.live(replace(work, run_folder=str(folder.folder)))
    evidence = run.read_evidence(folder, work)
    state.prune(order.plan.name)
    if evidence.error or not evidence.interrupted:
        raise ResourceError(evidence.error or f"{order.plan.name} ended by itself: {folder.folder}/logs")


def _opened(work: Work, state: State, order: run.RunOrder) -> Work:
    """Return the work with one server over a kept cluster."""
    name, _, database = order.posargs[0].partition("/")
    if len(order.posargs) > 1 or not database:
        raise UsageError(
            f"{order.plan.name}: {' '.join(order.posargs)!r} is no kept database",
            remedy="give <run>/<database>, as the failed test printed it",
        )
    for path in sorted((state.folder / "runs").glob(f"*/*/{name}/events.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["event"] == "postgres.kept" and database in event["databases"]:
                return _with_database(work, order, str(event["resource"]), path.parent)
    raise UsageError(
        f"{order.plan.name}: no run {name} that kept a database {database} is left",
        remedy='runs are pruned; set keep = "failed" beside `migrate`, and run the failed session again',
    )


def _with_database(work: Work, order: run.RunOrder, resource: str, folder: Path) -> Work:
    service, _, server = resource.partition("/")
    database = order.posargs[0].partition("/")[2]
    if service != order.plan.service:
        raise UsageError(
            f"{order.plan.name}: {order.posargs[0]} is a database of {service}",
            remedy=f"nox -s db-{service} -- {order.posargs[0]}",
        )

    def changed(each: Postgres) -> Postgres:
        return replace(each, database=database) if each.name == server else each

    found = work.platform.services[service]
    found = replace(found, postgres=tuple(changed(each) for each in found.postgres))
    platform = Platform(name=work.platform.name, services={**work.platform.services, service: found})
    return replace(
        work, platform=platform, opened={resource: str(folder / "kept" / f"{service}-{server}.tar")}
    )
