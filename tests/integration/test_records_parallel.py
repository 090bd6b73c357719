"""Several processes write the same history at once, as under `nox -j`."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import textwrap
from pathlib import Path

import pytest

from noxlib.launch import Setting, start

_ADD_FIFTY = """
    import sys
    from pathlib import Path
    from noxlib.model import Evidence, Record, SessionPlan, Verdict
    from noxlib.records import History

    path, worker = Path(sys.argv[1]), sys.argv[2]
    for number in range(50):
        plan = SessionPlan(name=f"unit-{worker}", service=worker, type="unit", python="", tags=(),
                           description="", exclusive=False)
        record = Record(
            run_id=f"{worker}-{number:02}", plan=plan, verdict=Verdict(passed=True, findings=()),
            evidence=Evidence(suite_exit=0, suite_seconds=1.0, ready_seconds=0.1), fingerprint="f",
            started="2026-11-21T03:00:00+00:00", seconds=1.0, environment="key", python="3.12.1", counts={},
        )
        History(path).add(record, "main")
"""


@pytest.mark.parametrize("begun", ["missing", "empty", "broken"])
def test_eight_processes_at_once_lose_no_row(tmp_path: Path, begun: str) -> None:
    path = tmp_path / "history.sqlite"
    if begun != "missing":
        path.write_bytes(b"broken" * 1000 if begun == "broken" else b"")
    script = [sys.executable, "-c", textwrap.dedent(_ADD_FIFTY), str(path)]
    log = tmp_path / "log"
    workers = [start([*script, str(worker)], Setting(log=log)) for worker in range(8)]

    codes = [worker.wait(120) for worker in workers]

    said = log.read_text()
    assert codes == [0] * 8, said
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (400,)
    asides = list(tmp_path.glob("*unusable*.sqlite"))
    assert (len(asides), said.count("moved to")) == ((1, 1) if begun == "broken" else (0, 0))
