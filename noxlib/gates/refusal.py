"""Why pytest ran nothing, or stopped in the middle: its arguments, a conftest.py, an import, a debugger."""

from __future__ import annotations

import signal

from noxlib.gates import printed
from noxlib.gates.case import Case, deselected, outcomes, progress, refused, running
from noxlib.gates.failures import failures, no_terminal
from noxlib.model import Finding

BEHIND = "the arguments behind `--`"
DEBUGGERS = ("--pdb", "--trace")
# https://docs.pytest.org/en/stable/reference/exit-codes.html
NOTHING_COLLECTED = 5
CODES = {2: "pytest was interrupted", 3: "pytest had an internal error", 4: "pytest stopped"}


def refusal(case: Case, code: int) -> Finding:
    """Say why a pytest that ended by itself has no result to judge. The first that knows, says it."""
    explanations = (_debugger, _failures, _conftest, _selection, _nothing_ran, _did_not_start)
    return next(filter(None, (each(case, code) for each in explanations)), None) or _stopped(case, code)


def _debugger(case: Case, code: int) -> Finding | None:
    if not outcomes(case) or not any(word.startswith(DEBUGGERS) for word in case.posargs):
        return None
    said = dict.fromkeys((*failures(case), *no_terminal(case)))
    return finding(case, f"pytest was stopped by its debugger ({exited(code)})", *said)


def _failures(case: Case, code: int) -> Finding | None:
    failed = [each.test for each in outcomes(case) or () if each.outcome in {"failed", "error"}]
    if not failed:
        return None
    if all("::" not in each for each in failed):
        return finding(case, "a test file could not be imported", *failures(case))
    said = printed.telling(case)
    return finding(case, f"{_meaning(code)} ({exited(code)}){said and ': '}{said}", *failures(case))


def _conftest(case: Case, _code: int) -> Finding | None:
    broken = printed.broken_conftest(case)
    if not broken:
        return None
    return finding(case, f"{broken} could not be loaded: {printed.telling(case)}", *printed.tail(case))


def _nothing_ran(case: Case, code: int) -> Finding | None:
    """Say why no test ran although pytest ended in order."""
    if code not in (0, NOTHING_COLLECTED):
        return None
    return _narrowed(case, code) if case.posargs else _empty(case, code)


def _narrowed(case: Case, code: int) -> Finding:
    if code == 0:
        words = " ".join(case.posargs)
        return _unlogged(f"nothing was run (`-- {words}`), so nothing is judged")
    lost = [word for word in case.posargs if _names_nothing(word, case)]
    return _unlogged(
        f"{BEHIND} selected no test", *(f"there is no {word} in {case.service.path}" for word in lost)
    )


def _empty(case: Case, code: int) -> Finding:
    if progress(case) is None and code == 0:
        advice = "see -p no:noxlib in addopts, and PYTEST_DISABLE_PLUGIN_AUTOLOAD"
        return finding(case, "pytest ran without noxlib's plugin: nobody knows what it ran", advice)
    if lost := running(case):
        summary = f"no test ran: the process was gone while it imported {', '.join(lost)}"
        return finding(case, summary, "see what that file, or what it imports, does when it is imported")
    where = ", ".join(case.settings.paths or (f"tests/{case.plan.type}",))
    configured = f"in addopts of pytest's configuration, and in {case.place}.args"
    if count := deselected(case)[0]:
        summary = f"no test in {where} was left to run: {count} deselected"
        return _unlogged(summary, f"see -k and -m {configured}", gate="tests")
    if code == 0:
        return finding(
            case, "pytest ended well and ran no test", f"see --collect-only and the like {configured}"
        )
    advice = f"write one, or set {case.place}.enabled = false"
    return _unlogged(f"no test in {where}: a declared type must have one", advice, gate="tests")


def _names_nothing(word: str, case: Case) -> bool:
    path = word.partition("::")[0]
    looks = not word.startswith("-") and (path.endswith(".py") or "::" in word or "/" in path)
    return looks and not (case.service_folder / case.settings.cwd / path).exists()


def _did_not_start(case: Case, code: int) -> Finding | None:
    if progress(case) is not None or code < 0:
        return None
    said = printed.telling(case)
    summary = f"pytest did not start ({exited(code)}){said and ': '}{said}"
    return finding(case, summary, *_origin(case, said))


def _origin(case: Case, said: str) -> list[str]:
    """Say where pytest has a word from that it doesn't know, as far as that is known."""
    for words, where in ((case.posargs, "behind `--`"), (case.settings.args, f"in {case.place}.args")):
        known = [word for word in words if word.partition("=")[0] in said.replace("=", " ").split()]
        if known:
            return [f"{' '.join(known)} stands {where}"]
    return printed.tail(case)


def _selection(case: Case, code: int) -> Finding | None:
    """Say what is wrong with a path or an expression that only the collection could tell."""
    said = refused(case)
    if not said and code == 4 and progress(case) is not None:  # noqa: PLR2004  pytest's usage error
        said = printed.telling(case)
    if not said:
        return None
    return finding(case, f"{BEHIND if case.posargs else 'pytest'} selected no test: {said}")


def _stopped(case: Case, code: int) -> Finding:
    said = printed.telling(case)
    summary = f"{_meaning(code)} ({exited(code)}){said and ': '}{said}"
    return finding(case, summary, *([] if said else printed.tail(case)))


# --- words ----------------------------------------------------------------------------------


def finding(case: Case, summary: str, *details: str) -> Finding:
    """Return what a suite failed for, with the place of its log."""
    return Finding(gate="suite", passed=False, summary=summary, details=(*details, f"log: {case.log}"))


def _unlogged(summary: str, *details: str, gate: str = "suite") -> Finding:
    return Finding(gate=gate, passed=False, summary=summary, details=details)


def _meaning(code: int) -> str:
    return CODES.get(code, "pytest stopped")


def exited(code: int) -> str:
    """Return how a command ended: "exit code 3", "ended by SIGKILL"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
