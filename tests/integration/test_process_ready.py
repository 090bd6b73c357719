"""How service processes become ready, fail to, and end: real processes."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from noxlib import launch
from noxlib.box import free_port
from noxlib.errors import RecordError, ResourceError
from noxlib.model import Process, Ready
from noxlib.resources import readiness
from noxlib.resources.process import ProcessOrder, ProcessResource

PYTHON = sys.executable
SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    begun = time.monotonic()
    def do_GET(self):
        self.send_response(200 if time.monotonic() - self.begun > 0.3 else 503); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SLEEP = "import time; time.sleep(60)"
WAYS = {
    "http": Ready(http="/", timeout=20),
    "tcp": Ready(tcp=True, timeout=20),
    "log": Ready(log="^up$", timeout=20),
    "command": Ready(command=(PYTHON, "-c", "import time; time.sleep(60)"), timeout=20),
}

Make = Callable[..., ProcessResource]


@pytest.fixture
def make(tmp_path: Path, trail: Callable[..., None]) -> Iterator[Make]:
    """Make a process of Python code, or of a `command`; keywords are fields of the order or its settings."""
    made: list[ProcessResource] = []

    def resource(code: str = SLEEP, **changes: Any) -> ProcessResource:
        fields = Process.__dataclass_fields__
        settings = {key: changes.pop(key) for key in list(changes) if key in fields and key != "port"}
        settings.setdefault("command", (PYTHON, "-c", code, "{port}"))
        defaults: dict[str, Any] = {
            "owner": "a",
            "settings": Process(**settings),
            "service_folder": tmp_path,
            "environment": dict(os.environ),
            "values": {},
            "port": free_port(),
            "log": tmp_path / "a.log",
            "redactor": launch.Redactor(),
            "event": trail,
        }
        made.append(ProcessResource(ProcessOrder(**{**defaults, **changes})))
        return made[-1]

    yield resource
    for each in made:
        each.stop()


def failure(resource: ProcessResource) -> str:
    with pytest.raises(ResourceError) as caught:
        resource.start()
    assert resource.pid is None
    return str(caught.value)


def eventually(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) == "zombie"
    except psutil.NoSuchProcess:
        return True


# --- ways to be ready ------------------------------------------------------------------------


def test_a_server_is_ready_when_it_answers_well(make: Make) -> None:
    begun = time.monotonic()
    make(SERVER, ready=WAYS["http"]).start()
    assert time.monotonic() - begun > 0.3


def test_an_answer_that_is_an_error_is_said(make: Make) -> None:
    text = failure(make(SERVER, ready=Ready(http="/", timeout=0.25)))
    assert "was not ready within 0.25 s (GET http://127.0.0.1:" in text
    assert "the last try: " in text


ANSWERS = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(int(self.path[1:])); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


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
    make: Make, code: str, ready: dict[str, Any], last: str, remedy: str
) -> None:
    with pytest.raises(ResourceError) as caught:
        make(code, ready=Ready(timeout=1, **ready)).start()
    assert f"\n  the last try: {last}" in caught.value.message
    assert caught.value.remedy.startswith(remedy)


def test_a_line_of_its_output_makes_it_ready(make: Make) -> None:
    code = f"import time; print('booting'); time.sleep(0.3); print('listening on 80'); {SLEEP}"
    begun = time.monotonic()
    make(code, ready=Ready(log=r"listening on \d+")).start()
    assert time.monotonic() - begun > 0.3


def test_python_holds_no_line_back(make: Make) -> None:
    make(f"print('up'); {SLEEP}", ready=WAYS["log"], environment={"PATH": os.environ["PATH"]}).start()


def test_a_coloured_line_matches_as_it_reads(make: Make) -> None:
    make(f"print('\\x1b[32mu\\x1b[0mp\\r'); {SLEEP}", ready=WAYS["log"]).start()


def test_a_restart_waits_for_a_line_of_its_own(make: Make, tmp_path: Path) -> None:
    code = (
        "import pathlib, time\n"
        "again = pathlib.Path('begun').exists(); pathlib.Path('begun').touch()\n"
        "time.sleep(0.5 if again else 0); print('up')\n" + SLEEP
    )
    resource = make(code, ready=WAYS["log"])
    resource.start()
    begun = time.monotonic()
    resource.restart()
    assert time.monotonic() - begun > 0.5
    assert (tmp_path / "a.log").read_text().split() == ["up", "up"]


def test_a_restart_that_never_says_it_fails_with_the_lines_of_this_start_alone(make: Make) -> None:
    code = (
        "import pathlib, time\n"
        "again = pathlib.Path('begun').exists(); pathlib.Path('begun').touch()\n"
        "print('down' if again else 'up')\n" + SLEEP
    )
    resource = make(code, ready=Ready(log="^up$", timeout=2))
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


def test_a_command_makes_it_ready_once_it_ends_well(make: Make, tmp_path: Path) -> None:
    code = f"import pathlib, time; time.sleep(0.3); pathlib.Path('there').touch(); {SLEEP}"
    make(code, ready=Ready(command=("test", "-e", "there"), timeout=20)).start()
    assert (tmp_path / "there").exists()


def test_a_ready_command_runs_where_the_process_does_with_its_templates_filled(
    make: Make, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    check = (
        "import os, pathlib, sys\n"
        "pathlib.Path('seen').write_text(' '.join([*sys.argv[1:], os.environ['OWN'],\n"
        "    os.environ.get('COVERED', '-')]))"
    )
    resource = make(
        cwd="below",
        environment={**os.environ, "OWN": "mine"},
        measured={"COVERED": "yes"},
        values={"python": PYTHON, "ENV:OWN": "mine"},
        ready=Ready(command=("{python}", "-c", check, "{host}:{port}", "{ENV:OWN}")),
    )
    lease = resource.start()
    seen = (tmp_path / "below" / "seen").read_text()
    assert seen == f"127.0.0.1:{lease.address.port} mine mine -"


def test_the_process_itself_is_measured(make: Make) -> None:
    code = f"import os; print('up' if os.environ.get('COVERED') else 'no'); {SLEEP}"
    make(code, measured={"COVERED": "yes"}, ready=WAYS["log"]).start()


def test_a_command_that_never_ends_well_is_shown_with_its_exit_code_and_output(make: Make) -> None:
    check = "echo no; echo response >&2; exit 2"
    text = failure(make(f"print('booting'); {SLEEP}", ready=Ready(command=("sh", "-c", check), timeout=2)))
    assert "was not ready within 2 s (`" in text
    assert "to end with exit code 0)" in text
    assert "\n  the last try ended with exit code 2\n      no\n      response\n" in text
    assert "\n    booting\n" in text
    assert "a.log" in text
    assert "to fix it: raise services.a.process.ready.timeout" in text


def test_a_try_that_hangs_is_ended_and_tried_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readiness, "TRY_SECONDS", 0.5)
    check = "import pathlib, time; p = pathlib.Path('tried'); p.exists() or (p.touch(), time.sleep(60))"
    begun = time.monotonic()
    make(ready=Ready(command=(PYTHON, "-c", check), timeout=20)).start()
    assert 0.5 < time.monotonic() - begun < 10
    assert (tmp_path / "tried").exists()


def test_a_try_that_ran_out_of_time_is_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TRY_SECONDS", 0.9)
    text = failure(make(ready=Ready(command=("sh", "-c", "echo hm; sleep 60"), timeout=0.95)))
    assert "\n  the last try ran longer than 0.9 s\n      hm\n" in text


def test_a_try_that_the_time_limit_cut_off_leaves_no_process(make: Make, tmp_path: Path) -> None:
    check = "echo $$ > try; sleep 61 & echo $! > child; sleep 62"
    text = failure(make(ready=Ready(command=("sh", "-c", check), timeout=1)))
    assert "the last try had not ended yet" in text
    for name in ("try", "child"):
        pid = int((tmp_path / name).read_text())
        eventually(partial(gone, pid))


# --- deaths before it is ready ----------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_dies_before_it_is_ready_fails_at_once_with_its_last_lines(
    make: Make, way: str
) -> None:
    code = "import sys, time; time.sleep(0.3); print('no licence'); sys.exit(3)"
    begun = time.monotonic()
    text = failure(make(code, ready=WAYS[way]))
    assert time.monotonic() - begun < 5
    assert "ended with exit code 3 before it was ready\n    no licence\n  log: " in text


def test_a_process_that_dies_without_a_word_is_said_to(make: Make) -> None:
    text = failure(make("import os; os.kill(os.getpid(), 11)"))
    assert "ended by SIGSEGV before it was ready\n    (it wrote nothing)" in text


def test_a_line_and_then_a_death_is_no_readiness(make: Make) -> None:
    resource = make(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    os.kill(resource.pid or 0, signal.SIGKILL)
    eventually(lambda: resource.pid is None)
    with pytest.raises(ResourceError, match="ended by SIGKILL before it was ready") as caught:
        resource.wait_healthy(5)
    assert "\n    up\n" in str(caught.value)


def test_a_stopped_process_is_not_ready_whatever_it_said_before(make: Make) -> None:
    resource = make(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    resource.stop()
    with pytest.raises(ResourceError, match="was not ready"):
        resource.wait_healthy(0.1)


def test_a_secret_that_was_filled_in_is_not_in_the_failure(make: Make) -> None:
    resource = make(
        "import sys; sys.exit(sys.argv[-1])",
        command=(PYTHON, "-c", "import sys; sys.exit(sys.argv[-1])", "{ENV:DSN}"),
        values={"ENV:DSN": "postgres://app:hunter22@h/d"},
        redactor=launch.Redactor(["hunter22"]),
    )
    text = failure(resource)
    assert "hunter22" not in text
    assert "postgres://app:[redacted]@h/d" in text


# --- commands that can't be started -----------------------------------------------------------


@pytest.fixture
def virtualenv(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "gunicorn").touch()
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def script(folder: Path, text: str, *, mode: int = stat.S_IRWXU) -> None:
    (folder / "serve").write_text(text)
    (folder / "serve").chmod(mode)


def test_a_missing_program_is_said_with_the_nearest_that_is_there(
    make: Make, virtualenv: dict[str, str]
) -> None:
    text = failure(make(command=("gunicron", "x"), environment=virtualenv))
    said = "no program of that name, neither in the service's virtualenv nor on PATH"
    assert f"services.a.process.command: `gunicron`: {said}" in text
    assert 'to fix it: did you mean "gunicorn"? Otherwise add what brings it to the service\'s lock' in text


def test_a_ready_command_whose_program_is_missing_is_said_at_once(make: Make) -> None:
    begun = time.monotonic()
    text = failure(make(ready=Ready(command=("pg_isreadyy",), timeout=20)))
    assert time.monotonic() - begun < 5
    assert "services.a.process.ready.command: `pg_isreadyy`: no program of that name" in text


def test_a_missing_file_is_said_with_its_folder(make: Make, tmp_path: Path) -> None:
    assert f"`./serve`: there is no such file in {tmp_path}" in failure(make(command=("./serve",)))


def test_a_missing_folder_is_said_as_such(make: Make, tmp_path: Path) -> None:
    assert f"services.a.process.cwd: {tmp_path}/nowhere: no such folder" in failure(make(cwd="nowhere"))


def test_a_script_that_is_not_executable_is_said_to_be(make: Make, tmp_path: Path) -> None:
    script(tmp_path, "#!/bin/sh\n", mode=stat.S_IRUSR)
    text = failure(make(command=("./serve",)))
    assert "`./serve`: is not executable" in text
    assert "chmod +x" in text


def test_a_script_without_a_first_line_is_said_to_be_no_program(make: Make, tmp_path: Path) -> None:
    script(tmp_path, "print(1)\n")
    assert "neither a program nor a script that begins with #!" in failure(make(command=("./serve",)))


def test_a_script_whose_interpreter_is_missing_is_said_to_be_so(make: Make, tmp_path: Path) -> None:
    script(tmp_path, "#!/nowhere/python\n")
    assert "the interpreter that its first line names isn't there" in failure(make(command=("./serve",)))


def test_other_refusals_are_said_in_the_systems_words(make: Make, tmp_path: Path) -> None:
    script(tmp_path, "#!/bin/sh\n")
    text = failure(make(command=("./serve", "x" * 300_000)))
    assert "services.a.process.command: `./serve`: Argument list too long" in text
    assert "services.a.process.command: " in failure(make(command=("./serve", "a\0b")))


def test_a_log_that_cannot_be_written_is_not_the_commands_fault(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="can't be written"):
        make(log=tmp_path / "file" / "a.log").start()


# --- deaths later -----------------------------------------------------------------------------


def test_a_process_that_runs_has_not_died(make: Make) -> None:
    resource = make(f"print('up'); {SLEEP}", ready=WAYS["log"])
    assert resource.death("now") == ""
    resource.start()
    assert resource.death("now") == ""


def test_a_death_is_said_with_exit_code_last_lines_and_log(make: Make, tmp_path: Path) -> None:
    code = "import sys, time; print('up'); time.sleep(0.3); print('out of cheese'); sys.exit(4)"
    resource = make(code, ready=WAYS["log"])
    resource.start()
    eventually(lambda: resource.death("during the suite"))
    text = resource.death("during the suite")
    assert text.startswith("services.a.process: `")
    assert "ended with exit code 4 during the suite\n    up\n    out of cheese\n" in text
    assert text.endswith(f"\n  log: {tmp_path}/a.log")


def test_a_kill_from_elsewhere_is_a_death(make: Make) -> None:
    resource = make(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    os.kill(resource.pid or 0, signal.SIGKILL)
    eventually(lambda: resource.death("now"))
    assert "ended by SIGKILL now" in resource.death("now")


def test_a_kill_or_stop_that_was_asked_for_is_no_death(make: Make) -> None:
    resource = make(f"print('up'); {SLEEP}", ready=WAYS["log"])
    resource.start()
    resource.kill()
    assert resource.death("now") == ""
    resource.restart()
    assert resource.death("now") == ""
    os.kill(resource.pid or 0, signal.SIGKILL)
    eventually(lambda: resource.death("now"))
    resource.stop()
    assert resource.death("now") == ""
