"""What a suite printed, and where its processes stood: the lines that a verdict quotes."""

from __future__ import annotations

import re
from pathlib import Path

from noxlib.gates.case import Case
from noxlib.protocol import STACKS

LINES = 8
TAIL_BYTES = 64 * 1024
STANDING = 5  # places that are named

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONFTEST = re.compile(r"ImportError while loading conftest '(.+)'")
# How pytest begins the line that says what went wrong, by the place that it went wrong at.
_TELLING = re.compile(
    r"ERROR: (?!usage:)(.+)|E {2,}(.+)|.+?: error: (.+)"
    r"|INTERNALERROR> ((?:\w+\.)*\w+(?:Error|Exception|Exit)\b.*)"
    r"|!+ (?:_pytest\.outcomes\.)?(?!Interrupted|KeyboardInterrupt|stopping)(\S.*?) !+"
)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$')


def tail(case: Case) -> list[str]:
    """Return the suite's last lines that aren't blank."""
    return [line for line in _printed(case) if line.strip()][-LINES:]


def telling(case: Case) -> str:
    """Return what pytest said went wrong with the whole of a run; "" when it said nothing."""
    found = [match for line in _printed(case) if (match := _TELLING.match(line))]
    return next(filter(None, found[-1].groups())).strip() if found else ""


def broken_conftest(case: Case) -> str:
    """Return the conftest.py that raised while it was loaded, relative to the service."""
    found = [match[1] for line in _printed(case) if (match := _CONFTEST.match(line))]
    return _relative(found[-1], case) if found else ""


def standing(case: Case) -> list[str]:
    """Return where the suite's processes stood in the service's code and tests when time ran out.

    Of each thread the innermost frame counts; https://docs.python.org/3/library/faulthandler.html shows
    the form.
    """
    found: dict[str, None] = {}
    for path in sorted((case.folder / "logs").glob(STACKS.format(pid="*"))):
        text = path.read_text(encoding="utf-8", errors="replace")
        for thread in re.split(r"^(?:Current thread|Thread) ", text, flags=re.MULTILINE)[1:]:
            frames = filter(None, map(_FRAME.match, thread.splitlines()))
            place = next((frame for frame in frames if _is_own(frame[1], case)), None)
            if place:
                found[f"{_relative(place[1], case)}:{place[2]} in {place[3]}"] = None
    return list(found)[:STANDING]


def _printed(case: Case) -> list[str]:
    try:
        with case.log.open("rb") as stream:
            stream.seek(max(0, case.log.stat().st_size - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return _ANSI.sub("", text).splitlines()


def _is_own(name: str, case: Case) -> bool:
    path, folder = Path(name), case.service_folder.resolve()
    return path.is_relative_to(folder) and not {".nox", ".venv", "site-packages"} & set(path.parts)


def _relative(name: str, case: Case) -> str:
    path = Path(name)
    for folder in (case.service_folder, case.service_folder.resolve()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return name
