"""The supervisor's first moments: an end that is ordered then is an end like any other."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from noxlib import launch, plan
from noxlib.model import TEST_TYPES, BuiltEnvironment, Platform, Service, SuiteSettings, Work, to_json

SERVICE = Service(
    name="a", path=".", source=(), types=dict.fromkeys(TEST_TYPES, SuiteSettings(enabled=False))
)
SERVICE = replace(SERVICE, types={**SERVICE.types, "unit": SuiteSettings(paths=("tests",))})
PLATFORM = Platform(name="p", services={"a": SERVICE})


def test_a_lifeline_that_ends_with_the_work_leaves_evidence_and_no_traceback(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "coverage").mkdir()
    built = BuiltEnvironment(
        path=sys.prefix, python=sys.executable, version="", key="", tool="uv", packages={}
    )
    work = Work(
        plan=plan.sessions(PLATFORM)[0],
        platform=PLATFORM,
        root=str(tmp_path),
        run_folder=str(run),
        state_folder=str(tmp_path / ".noxlib"),
        box="guarded",
        environments={"a": built},
        postgres={},
    )
    said: list[bytes] = []
    child = launch.start(
        [sys.executable, "-m", "noxlib.supervisor"],
        launch.Setting(cwd=Path(__file__).parents[2], stdin=launch.PIPE, sink=said.append),
    )
    with child.stdin as lifeline:
        lifeline.write(json.dumps(to_json(work)).encode() + b"\n")
    assert child.wait(20) == 0, said
    assert b"Traceback" not in b"".join(said)
    evidence = json.loads((run / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["interrupted"] == "the process that ran nox is gone, or was interrupted"
