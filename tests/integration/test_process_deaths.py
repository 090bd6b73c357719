"""Service processes that die, before they are ready or later: how it is said."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from python_processes import PYTHON, SLEEP, WAYS, MakeProcess, failure
from waiting import eventually

from noxlib import launch
from noxlib.errors import ResourceError


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_dies_before_it_is_ready_fails_at_once_with_its_last_lines(
    make_process: MakeProcess, way: str
) -> None:
    code = "import sys, time; time.sleep(0.3); print('no licence'); sys.exit(3)"
    begun = time.monotonic()
    text = failure(make_process(code, ready=WAYS[way]))
    assert time.monotonic() - begun < 5
    assert "ended with exit code 3 before it was ready\n    no licence\n  log: " in text


def test_a_process_that_dies_without_a_word_is_said_to(make_process: MakeProcess) -> None:
    text = failure(make_process("import os; os.kill(os.getpid(), 11)"))
    assert "ended by SIGSEGV before it was ready\n    (it wrote nothing)" in text


def test_a_line_and_then_a_death_is_no_readiness(make_process: MakeProcess) -> None:
    resource = make_process(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    os.kill(resource.pid or 0, signal.SIGKILL)
    assert eventually(lambda: resource.pid is None)
    with pytest.raises(ResourceError, match="ended by SIGKILL before it was ready") as caught:
        resource.wait_healthy(5)
    assert "\n    up\n" in str(caught.value)


def test_a_stopped_process_is_not_ready_whatever_it_said_before(make_process: MakeProcess) -> None:
    resource = make_process(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    resource.stop()
    with pytest.raises(ResourceError, match="was not ready"):
        resource.wait_healthy(0.1)


def test_a_secret_that_was_filled_in_is_not_in_the_failure(make_process: MakeProcess) -> None:
    resource = make_process(
        "import sys; sys.exit(sys.argv[-1])",
        command=(PYTHON, "-c", "import sys; sys.exit(sys.argv[-1])", "{ENV:DSN}"),
        values={"ENV:DSN": "postgres://app:hunter22@h/d"},
        redactor=launch.Redactor(["hunter22"]),
    )
    text = failure(resource)
    assert "hunter22" not in text
    assert "postgres://app:[redacted]@h/d" in text


def test_a_process_that_runs_has_not_died(make_process: MakeProcess) -> None:
    resource = make_process(f"print('up'); {SLEEP}", ready=WAYS["log"])
    assert resource.death("now") == ""
    resource.start()
    assert resource.death("now") == ""


def test_a_death_is_said_with_exit_code_last_lines_and_log(make_process: MakeProcess, tmp_path: Path) -> None:
    code = "import sys, time; print('up'); time.sleep(0.3); print('out of cheese'); sys.exit(4)"
    resource = make_process(code, ready=WAYS["log"])
    resource.start()
    assert eventually(lambda: resource.death("during the suite"))
    text = resource.death("during the suite")
    assert text.startswith("services.a.process: `")
    assert "ended with exit code 4 during the suite\n    up\n    out of cheese\n" in text
    assert text.endswith(f"\n  log: {tmp_path}/logs/a.log")


def test_a_kill_from_elsewhere_is_a_death(make_process: MakeProcess) -> None:
    resource = make_process(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    os.kill(resource.pid or 0, signal.SIGKILL)
    assert eventually(lambda: resource.death("now"))
    assert "ended by SIGKILL now" in resource.death("now")


def test_a_kill_or_stop_that_was_asked_for_is_no_death(make_process: MakeProcess) -> None:
    resource = make_process(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    resource.kill()
    assert resource.death("now") == ""
    resource.restart()
    assert resource.death("now") == ""
    os.kill(resource.pid or 0, signal.SIGKILL)
    assert eventually(lambda: resource.death("now"))
    resource.stop()
    assert resource.death("now") == ""
