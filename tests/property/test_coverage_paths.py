"""Wherever it was measured, data finds its file; and the lines that are named do close the gap."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from coverage import CoverageData
from hypothesis import given
from hypothesis import strategies as st

from noxlib.coverage_config import write_rcfile
from noxlib.coverage_data import combined, data_files
from noxlib.coverage_lines import closing_lines
from noxlib.model import Coverage, Service

SIZE = 12
NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,7}", fullmatch=True).filter(lambda name: not name.endswith("."))
FOLDERS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
LINES = st.sets(st.integers(1, SIZE), min_size=1)


def service(root: Path, name: str) -> Service:
    source = root / "services" / name / "src" / "app"
    source.mkdir(parents=True, exist_ok=True)
    text = "".join(f"line_{number} = {number}\n" for number in range(1, SIZE + 1))
    (source / "api.py").write_text(text, encoding="utf-8")
    return Service(name=name, path=f"services/{name}", source=("src/app",), coverage=Coverage(branch=False))


def record(target: Path, measured: str, lines: set[int]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    data = CoverageData(basename=str(target))
    data.add_lines({measured: sorted(lines)})
    data.write()
    data.close()


@given(checkout=FOLDERS, venv=FOLDERS, here=LINES, there=LINES, installed=LINES)
def test_any_checkout_and_any_virtualenv_is_mapped_onto_the_source(
    checkout: str, venv: str, here: set[int], there: set[int], installed: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name in ("cs1", "cs2"):
            made, data = service(root, name), root / "data" / name
            write_rcfile(data / "rcfile", made, root / made.path, data)
            # The same relative path in both services; only the first was run elsewhere, too.
            record(data / ".coverage.here", f"{root}/services/{name}/src/app/api.py", here)
            if name == "cs1":
                record(data / ".coverage.there", f"{checkout}/services/cs1/src/app/api.py", there)
                record(data / ".coverage.venv", f"{venv}/lib/site-packages/app/api.py", installed)
            expected = here | there | installed if name == "cs1" else here
            with combined(data / "rcfile", data_files(data)) as measured:
                assert measured.files == (f"{root}/services/{name}/src/app/api.py",)
                assert measured.total() == pytest.approx(100 * len(expected) / SIZE)


@given(covered=LINES, gate=st.floats(0, 100))
def test_covering_the_lines_that_are_named_reaches_the_gate_and_no_less_does(
    covered: set[int], gate: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        made = service(root, "cs1")
        write_rcfile(root / "data" / "rcfile", made, root / made.path, root / "data")
        record(root / "data" / ".coverage", f"{root}/services/cs1/src/app/api.py", covered)
        with combined(root / "data" / "rcfile", [root / "data" / ".coverage"]) as measured:
            details = measured.details()
    named = [_lines(each) for each in closing_lines(details, root / made.path, gate)]
    shares = [100 * len(covered.union(*named[:count])) / SIZE for count in range(len(named) + 1)]
    assert shares[-1] >= gate - 1e-6
    assert all(share < gate for share in shares[:-1])


def _lines(named: str) -> set[int]:
    first, _, last = named.split(maxsplit=1)[0].partition(":")[2].partition("-")
    return set(range(int(first), int(last or first) + 1))
