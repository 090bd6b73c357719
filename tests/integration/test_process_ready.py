"""How service processes become ready, or run out of time: real processes."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from python_processes import PYTHON, SLEEP, WAYS, MakeProcess, failure
from waiting import eventually, gone

from noxlib.errors import ResourceError
from noxlib.model import Ready
from noxlib.resources import readiness

SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    begun = time.monotonic()
    def do_GET(self):
        self.send_response(200 if time.monotonic() - self.begun > 0.3 else 503); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ANSWERS = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(int(self.path[1:])); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_is_ready_when_it_answers_well(make_process: MakeProcess) -> None:
    begun = time.monotonic()
    make_process(SERVER, ready=WAYS["http"]).start()
    assert time.monotonic() - begun > 0.3


def test_an_answer_that_is_an_error_is_said(make_process: MakeProcess) -> None:
    text = failure(make_process(SERVER, ready=Ready(http="/", timeout=0.25)))
    assert "was not ready within 0.25 s (GET http://127.0.0.1:" in text
    assert "the last try: " in text


@pytest.mark.parametrize(
    ("code", "ready", "last", "remedy"),
    [
        (ANSWERS, {"http": "/404"}, "status 404", "correct `ready.http`: it answers, but not on /404; otherwise raise "),
        (ANSWERS, {"http": "/503"}, "status 503", "raise services.a.process.ready.timeout, or see the log"),
        (SLEEP, {"http": "/"}, "ConnectionRefusedError: ", "have its command listen on {host}:{port}, here 127.0.0.1:"),
        (SLEEP, {"tcp": True}, "ConnectionRefusedError: ", "have its command listen on {host}:{port}, here 127.0.0.1:"),
    ],
)  # fmt: skip
def test_what_the_last_try_found_is_said_with_what_helps(
    make_process: MakeProcess, code: str, ready: dict[str, Any], last: str, remedy: str
) -> None:
    with pytest.raises(ResourceError) as caught:
        make_process(code, ready=Ready(timeout=1, **ready)).start()
    assert f"\n  the last try: {last}" in caught.value.message
    assert caught.value.remedy.startswith(remedy)


def test_a_line_of_its_output_makes_it_ready(make_process: MakeProcess) -> None:
    code = f"import time; print('booting'); time.sleep(0.3); print('listening on 80'); {SLEEP}"
    begun = time.monotonic()
    make_process(code, ready=Ready(log=r"listening on \d+")).start()
    assert time.monotonic() - begun > 0.3


def test_python_holds_no_line_back(make_process: MakeProcess) -> None:
    make_process(f"print('up'); {SLEEP}", ready=WAYS["log"], environment={"PATH": os.environ["PATH"]}).start()


def test_a_coloured_line_matches_as_it_reads(make_process: MakeProcess) -> None:
    make_process(f"print('\\x1b[32mu\\x1b[0mp\\r'); {SLEEP}", ready=WAYS["log"]).start()


def test_a_restart_waits_for_a_line_of_its_own(make_process: MakeProcess, tmp_path: Path) -> None:
    code = (
        "import pathlib, time\n"
        "again = pathlib.Path('begun').exists(); pathlib.Path('begun').touch()\n"
        "time.sleep(0.5 if again else 0); print('up')\n" + SLEEP
    )
    resource = make_process(code, ready=WAYS["log"])
    resource.start()
    begun = time.monotonic()
    resource.restart()
    assert time.monotonic() - begun > 0.5
    assert (tmp_path / "logs/a.log").read_text().split() == ["up", "up"]


def test_a_restart_that_never_says_it_fails_with_the_lines_of_this_start_alone(
    make_process: MakeProcess,
) -> None:
    code = (
        "import pathlib, time\n"
        "again = pathlib.Path('begun').exists(); pathlib.Path('begun').touch()\n"
        "print('down' if again else 'up')\n" + SLEEP
    )
    resource = make_process(code, ready=Ready(log="^up$", timeout=2))
    resource.start()
    with pytest.raises(ResourceError, match="not ready within 2 s") as caught:
        resource.restart()
    assert "a line of its output that matches '^up$'" in str(caught.value)
    assert "\n    down\n" in str(caught.value)
    assert "\n    up\n" not in str(caught.value)


def test_a_line_counts_when_its_end_has_come() -> None:
    watch = readiness.LogWatch("^port 80$")
    for chunk in (b"port 80", b"80\npo", b"rt 80"):
        watch(chunk)
        assert not watch.matched
    watch(b"\r\n")
    assert watch.matched
    watch(b"port 1\n")
    assert watch.matched


def test_of_a_line_without_an_end_only_the_last_part_is_kept() -> None:
    watch = readiness.LogWatch("^x+$")
    for _ in range(40):
        watch(b"y" * 8192)
    watch(b"x" * readiness.LINE_BYTES)
    watch(b"\n")
    assert watch.matched


def test_a_command_makes_it_ready_once_it_ends_well(make_process: MakeProcess, tmp_path: Path) -> None:
    code = f"import pathlib, time; time.sleep(0.3); pathlib.Path('there').touch(); {SLEEP}"
    make_process(code, ready=Ready(command=("test", "-e", "there"), timeout=20)).start()
    assert (tmp_path / "there").exists()


def test_a_ready_command_runs_where_the_process_does_with_its_templates_filled(
    make_process: MakeProcess, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    check = (
        "import os, pathlib, sys\n"
        "pathlib.Path('seen').write_text(' '.join([*sys.argv[1:], os.environ['OWN'],\n"
        "    os.environ.get('COVERED', '-')]))"
    )
    resource = make_process(
        cwd="below",
        environment={**os.environ, "OWN": "mine"},
        measured={"COVERED": "yes"},
        values={"python": PYTHON, "ENV:OWN": "mine"},
        ready=Ready(command=("{python}", "-c", check, "{host}:{port}", "{ENV:OWN}")),
    )
    lease = resource.start()
    seen = (tmp_path / "below" / "seen").read_text()
    assert seen == f"127.0.0.1:{lease.address.port} mine mine -"


def test_the_process_itself_is_measured(make_process: MakeProcess) -> None:
    code = f"import os; print('up' if os.environ.get('COVERED') else 'no'); {SLEEP}"
    make_process(code, measured={"COVERED": "yes"}, ready=WAYS["log"]).start()


def test_a_command_that_never_ends_well_is_shown_with_its_exit_code_and_output(
    make_process: MakeProcess,
) -> None:
    check = "echo no; echo response >&2; exit 2"
    text = failure(
        make_process(f"print('booting'); {SLEEP}", ready=Ready(command=("sh", "-c", check), timeout=2))
    )
    assert "was not ready within 2 s (`" in text
    assert "to end with exit code 0)" in text
    assert "\n  the last try ended with exit code 2\n      no\n      response\n" in text
    assert "\n    booting\n" in text
    assert "a.log" in text
    assert "to fix it: raise services.a.process.ready.timeout" in text


def test_a_try_that_hangs_is_ended_and_tried_again(
    make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readiness, "TRY_SECONDS", 0.5)
    check = "import pathlib, time; p = pathlib.Path('tried'); p.exists() or (p.touch(), time.sleep(60))"
    begun = time.monotonic()
    make_process(ready=Ready(command=(PYTHON, "-c", check), timeout=20)).start()
    assert 0.5 < time.monotonic() - begun < 10
    assert (tmp_path / "tried").exists()


def test_a_try_that_ran_out_of_time_is_said(
    make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "TRY_SECONDS", 0.9)
    text = failure(make_process(ready=Ready(command=("sh", "-c", "echo hm; sleep 60"), timeout=0.95)))
    assert "\n  the last try ran longer than 0.9 s\n      hm\n" in text


def test_a_try_that_the_time_limit_cut_off_leaves_no_process(
    make_process: MakeProcess, tmp_path: Path
) -> None:
    check = "echo $$ > try; sleep 61 & echo $! > child; sleep 62"
    text = failure(make_process(ready=Ready(command=("sh", "-c", check), timeout=1)))
    assert "the last try had not ended yet" in text
    for name in ("try", "child"):
        pid = int((tmp_path / name).read_text())
        assert eventually(partial(gone, pid))
