"""Whether the arguments behind `--` kept tests from running: such a run doesn't stand for the whole suite."""

from __future__ import annotations

import re

from noxlib.gates.case import Case, deselected, progress
from noxlib.gates.failures import failures

# https://docs.pytest.org/en/stable/reference/reference.html#command-line-flags; what isn't here may
# leave out files or tests without a word.
_TELLING = re.compile(
    r"-[vqslx]+|-r\w+|-n\w+|-pno:(randomly|xdist)|--(verbose|quiet|showlocals|exitfirst|no-header|no-summary)"
    r"|--(tb|color|capture|durations|durations-min|maxfail|numprocesses|dist|randomly-seed)=.*"
)
_SELECTING = ("-m", "-k")  # pytest reports what they leave out
_WITH_WORD = ("-n", "--tb", "--color", "--durations", "--durations-min", "--maxfail", "--dist", *_SELECTING)
_TELLING_PLUGINS = (["no:randomly"], ["no:xdist"])
_STOPPING = re.compile(r"-[vqsl]*x[vqslx]*|--exitfirst|--maxfail.*")


def narrowed(case: Case) -> bool:
    """Tell whether arguments have, or may have, left out tests."""
    if not case.posargs:
        return False
    if not case.pytest or not _known(list(case.posargs)):
        return True
    selecting = any(word.startswith(_SELECTING) for word in case.posargs)
    stopping = any(_STOPPING.fullmatch(word) for word in case.posargs)
    left_out = progress(case) is None or deselected(case)[0] > 0
    return (selecting and left_out) or (stopping and bool(failures(case)))


def _known(words: list[str]) -> bool:
    """Tell whether each word is one whose effect on the selection can be seen afterwards."""
    while words:
        word = words.pop(0)
        takes_one = word in _WITH_WORD or (word == "-p" and words[:1] in _TELLING_PLUGINS)
        if takes_one and words:
            words.pop(0)
        elif not (_TELLING.fullmatch(word) or word.startswith(_SELECTING)):
            return False
    return True
