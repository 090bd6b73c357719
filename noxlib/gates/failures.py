"""The failed tests of a run, as lines of a verdict."""

from __future__ import annotations

from noxlib.gates.case import Case, outcomes
from noxlib.model import Outcome

NAMED = 10  # failing tests that are named
_ASKED_THE_TERMINAL = ("bdb.BdbQuit", "OSError: pytest: reading from stdin")


def failures(case: Case) -> tuple[str, ...]:
    """Return a line for each test that failed, or could not be set up, and what opens its databases."""
    failed = [each for each in outcomes(case) or () if each.outcome in {"failed", "error"}]
    lines = [line for each in failed[:NAMED] for line in _lines(each)]
    if len(failed) > NAMED:
        lines.append(f"... and {len(failed) - NAMED} more")
    if any(each.reason.startswith(_ASKED_THE_TERMINAL) for each in failed):
        lines += no_terminal(case)
    return tuple(lines)


def no_terminal(case: Case) -> tuple[str, ...]:
    """Say that a debugger can't ask anybody, and what shows as much."""
    advice = "the suite has no terminal for a debugger; `-- -x -l --tb=long` shows every variable"
    if not case.service.postgres:
        return (advice,)
    name = case.service.name
    return (
        f"{advice},",
        f'and with services.{name}.postgres.keep = "failed", `nox -s db-{name}` opens the test\'s database',
    )


def _lines(outcome: Outcome) -> list[str]:
    line = f"{outcome.outcome}: {outcome.test}" + (f": {outcome.reason}" if outcome.reason else "")
    return [line, *(f"  its database: {each}" for each in outcome.opens)]
