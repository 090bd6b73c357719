"""The first services.toml of a folder, as `python -m noxlib init` writes it: legal, whatever lies there."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from noxlib.config import is_legal_name
from noxlib.model import TEST_TYPES

LONGEST_NAME = 40
FIRST_TYPE = "unit"  # stays enabled where there is no test at all: a service without a type is refused
_FLAT = ("tests", "test")
_TEXT = """\
[platform]
name = "{name}"

[services.{name}]
path = "."
"""
_SWITCHED_OFF = """
# Types without tests yet: write one test in tests/<type>/, then remove the line.
[defaults.types]
"""


def text(folder: Path) -> str:
    """Return the services.toml of a folder that is one service."""
    name = service_name(folder.name)
    written = _TEXT.format(name=name)
    there = {kind for kind in TEST_TYPES if (folder / "tests" / kind).is_dir()}
    if not there:
        there = {FIRST_TYPE}
        if flat := next((each for each in _FLAT if any((folder / each).glob("**/test_*.py"))), ""):
            written += f'\n[services.{name}.types.{FIRST_TYPE}]\npaths = ["{flat}"]\n'
    off = [f"{kind}.enabled = false\n" for kind in TEST_TYPES if kind not in there]
    return written + (_SWITCHED_OFF + "".join(off) if off else "")


def service_name(folder: str) -> str:
    """Return the legal name nearest to a folder's: "My Ünicode Service" is "my-unicode-service"."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode().lower()
    letters = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:LONGEST_NAME].rstrip("-_")
    if is_legal_name(letters):
        return letters
    return f"service-{letters}"[:LONGEST_NAME].rstrip("-_")
