"""Real processes, real signals: nothing that launch started outlives its end."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import eventually, gone

from noxlib import launch
from noxlib.errors import NoxlibError
from noxlib.launch import Child, Credentials, Redactor, Setting, run, start

_QUIET = Setting(sink=lambda _chunk: None)


def _python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *words]


def _pids(folder: Path, count: int) -> list[int]:
    """Return the pids that a tree of `count` processes has written into a folder, one a file."""
    assert eventually(lambda: len(list(folder.glob("*.pid"))) == count)
    return [int(each.stem) for each in folder.glob("*.pid")]


_STUBBORN = """
    import os, pathlib, signal, subprocess, sys, time
    folder, depth, leaves = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if depth:
        subprocess.Popen([*sys.orig_argv[:-3], folder, str(depth - 1), leaves],
                         start_new_session=leaves == "yes")
    aside = pathlib.Path(folder, f"{os.getpid()}.aside")
    aside.touch()
    aside.rename(aside.with_suffix(".pid"))
    time.sleep(600)
"""


@pytest.fixture
def children() -> Iterator[Callable[..., Child]]:
    """Start children that are gone after the test, whatever it found."""
    started: list[Child] = []

    def begin(command: list[str], setting: Setting | None = None) -> Child:
        started.append(start(command, setting or _QUIET))
        return started[-1]

    yield begin
    for child in started:
        child.stop(grace=0.0)


@pytest.mark.parametrize("leaves", ["no", "yes"], ids=["in the group", "with setsid"])
def test_a_tree_that_ignores_sigterm_is_killed_after_the_grace(
    children: Callable[..., Child], tmp_path: Path, leaves: str
) -> None:
    child = children(_python(_STUBBORN, str(tmp_path), "2", leaves))
    tree = _pids(tmp_path, 3)
    begun = time.monotonic()

    code = child.stop(grace=0.3)

    assert code == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - begun < 5
    assert eventually(lambda: all(map(gone, tree)))


def test_a_descendant_outlives_no_parent_that_obeys_sigterm(
    children: Callable[..., Child], tmp_path: Path
) -> None:
    obeys = _STUBBORN.replace("for number in", "for number in () if depth else")
    child = children(_python(obeys, str(tmp_path), "1", "yes"))
    tree = _pids(tmp_path, 2)

    code = child.stop(grace=5.0)

    assert code == -signal.SIGTERM
    assert eventually(lambda: all(map(gone, tree)))


def test_what_a_process_left_in_its_group_is_killed_after_its_end(
    children: Callable[..., Child], tmp_path: Path
) -> None:
    child = children(
        _python(
            _STUBBORN.replace("time.sleep(600)", "time.sleep(0 if depth else 600)"), str(tmp_path), "1", "no"
        )
    )
    tree = _pids(tmp_path, 2)
    assert eventually(lambda: child.code is not None)
    assert not all(map(gone, tree))

    assert child.stop() == 0

    assert eventually(lambda: all(map(gone, tree)))


def test_a_process_that_obeys_is_stopped_at_once(children: Callable[..., Child]) -> None:
    child = children(["sleep", "600"])
    begun = time.monotonic()

    assert child.stop(grace=5.0) == -signal.SIGTERM
    assert time.monotonic() - begun < 2
    assert child.stop() == -signal.SIGTERM


def test_the_first_signal_can_be_chosen(children: Callable[..., Child]) -> None:
    assert children(["sleep", "600"]).stop(first=signal.SIGQUIT) == -signal.SIGQUIT


def test_a_group_whose_number_was_given_away_is_not_signalled(children: Callable[..., Child]) -> None:
    other = children(["sleep", "600"])
    ended = children(["true"])
    assert ended.wait() == 0
    ended.pid = other.pid  # as if the kernel had used the number again

    ended.stop()

    assert other.code is None


def test_waiting_too_short_returns_none(children: Callable[..., Child]) -> None:
    child = children(["sleep", "600"])

    assert child.wait(0.01) is None
    assert child.code is None


def test_descendants_are_the_children_and_theirs(children: Callable[..., Child], tmp_path: Path) -> None:
    child = children(_python(_STUBBORN, str(tmp_path), "2", "yes"))
    tree = set(_pids(tmp_path, 3))

    assert launch.descendants(child.pid) == tree - {child.pid}


def test_a_run_that_is_too_slow_is_ended_and_says_so(tmp_path: Path) -> None:
    done = run(_python(_STUBBORN, str(tmp_path), "1", "yes"), _QUIET, timeout=1.0)

    assert done.timed_out
    assert done.code == -signal.SIGKILL
    assert "ran out of time" in done.describe()
    assert eventually(lambda: all(map(gone, _pids(tmp_path, 2))))


def test_a_run_leaves_nothing_in_the_background(tmp_path: Path) -> None:
    done = run(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid"], _QUIET)

    assert done.code == 0
    assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))


def test_an_interrupted_run_ends_its_tree(tmp_path: Path) -> None:
    def interrupt() -> None:
        _pids(tmp_path, 2)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(_python(_STUBBORN, str(tmp_path), "1", "yes"), _QUIET)
    finally:
        signal.signal(signal.SIGINT, before)

    assert eventually(lambda: all(map(gone, _pids(tmp_path, 2))))


def test_output_and_exit_code_are_returned() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 7"])

    assert (done.code, done.output, done.timed_out) == (7, "out\nerr\n", False)
    assert done.seconds > 0


def test_only_the_tail_of_a_long_output_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "long.log"
    done = run(_python("print('x' * 200_000 + 'end')"), Setting(log=log))

    assert len(done.output) == launch.TAIL_BYTES
    assert done.output.endswith("end\n")
    assert log.stat().st_size == 200_004


def test_a_log_is_appended_to_and_redacted_with_the_output(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("before\n")
    seen: list[bytes] = []
    code = """
        import sys, time
        for part in ("login hun", "ter", "2 fine\\n"):
            sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.05)
    """

    done = run(_python(code), Setting(log=log, sink=seen.append, redactor=Redactor(["hunter2"])))

    assert done.output == "login [redacted] fine\n"
    assert log.read_text() == "before\nlogin [redacted] fine\n"
    assert b"".join(seen) == b"login [redacted] fine\n"


def test_two_processes_with_one_redactor_do_not_mix_their_output(
    children: Callable[..., Child], tmp_path: Path
) -> None:
    redactor = Redactor(["hunter2"])
    code = "import sys; sys.stdout.write('hunt'); sys.stdout.flush(); sys.stdin.read(); print('er2')"
    setting = [Setting(log=tmp_path / name, redactor=redactor, stdin=launch.PIPE) for name in ("one", "two")]
    one, two = (children(_python(code), each) for each in setting)
    time.sleep(0.1)
    for child in (one, two):
        child.stdin.close()
        assert child.wait(10) == 0

    assert (tmp_path / "one").read_text() == "[redacted]\n"
    assert (tmp_path / "two").read_text() == "[redacted]\n"


def test_a_sink_that_fails_does_not_block_the_process(tmp_path: Path) -> None:
    log = tmp_path / "x.log"

    def closed(_chunk: bytes) -> None:
        raise BrokenPipeError

    setting = Setting(log=log, sink=closed)
    done = run(_python("print('y' * 300_000)"), setting, timeout=20)

    assert (done.code, done.timed_out) == (0, False)
    assert log.stat().st_size == 300_001


def test_a_full_disk_does_not_end_the_run() -> None:
    done = run(["echo", "hello"], Setting(log=Path("/dev/full")))

    assert (done.code, done.output) == (0, "hello\n")


def test_a_grandchild_that_holds_the_pipe_delays_the_end_by_a_second_at_most() -> None:
    begun = time.monotonic()

    done = run(["sh", "-c", "echo here; sleep 600 &"], _QUIET)

    assert done.output == "here\n"
    assert time.monotonic() - begun < 5


def test_without_a_log_the_output_goes_where_ours_goes(capfd: pytest.CaptureFixture[str]) -> None:
    start(["echo", "hello"]).wait(10)

    assert capfd.readouterr().out == "hello\n"


def test_environment_and_folder_are_handed_down(tmp_path: Path) -> None:
    done = run(["sh", "-c", "pwd; echo $COLOUR; echo [$HOME]"], Setting(cwd=tmp_path, env={"COLOUR": "red"}))

    assert done.output == f"{tmp_path}\nred\n[]\n"


def test_a_descriptor_can_be_handed_down() -> None:
    reader, writer = os.pipe()
    try:
        run(_python(f"import os; os.write({writer}, b'hello')"), replace(_QUIET, pass_fds=(writer,)))
        os.set_blocking(reader, False)
        assert os.read(reader, 100) == b"hello"
    finally:
        os.close(reader)
        os.close(writer)


def test_credentials_are_taken_on_by_root_and_refused_to_others() -> None:
    nobody = pwd.getpwnam("nobody")
    setting = Setting(credentials=Credentials(uid=nobody.pw_uid, gid=nobody.pw_gid), cwd=Path("/"))

    if os.geteuid() == 0:
        identity = run(["sh", "-c", "id -u; id -g; id -G"], setting).output.split()
        assert identity == [str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_gid)]
    else:
        with pytest.raises(NoxlibError, match="could not be started"):
            run(["id"], setting)


_AS_A_BACKGROUND_JOB = """
    import signal, subprocess, sys
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a shell hands down with &
    from noxlib import launch
    if sys.argv[1] == "restored":
        launch.restore_default_signals()
    child = launch.start(["sleep", "600"])
    child.send(signal.SIGINT)
    print(child.wait(0.5))
    child.stop()
"""


@pytest.mark.parametrize(("how", "code"), [("restored", "-2"), ("inherited", "None")])
def test_an_inherited_ignore_reaches_children_unless_it_is_undone(how: str, code: str) -> None:
    done = run([sys.executable, "-c", textwrap.dedent(_AS_A_BACKGROUND_JOB), how])

    assert (done.code, done.output) == (0, f"{code}\n")


_FIRST_PROCESS = """
    import ctypes, subprocess, time
    from noxlib import launch
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans come to us
    ours = launch.start(["sh", "-c", "exit 5"])
    orphan = int(launch.run(["sh", "-c", "setsid sleep 0.1 >/dev/null & echo $!"],
                            launch.Setting(sink=lambda _: None)).output)
    time.sleep(0.4)
    def state(pid):
        try:
            return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "gone"
    before = state(orphan)
    launch.reap_orphans()
    print(before, state(orphan), ours.wait())
"""


def test_orphans_are_reaped_and_known_children_keep_their_exit_code() -> None:
    done = run([sys.executable, "-c", textwrap.dedent(_FIRST_PROCESS)])

    assert done.output == "Z gone 5\n"


def test_launching_leaks_no_descriptors(tmp_path: Path) -> None:
    run(["true"], Setting(log=tmp_path / "log"))
    before = set(Path("/proc/self/fd").iterdir())

    for _ in range(3):
        run(["true"], Setting(log=tmp_path / "log"))
        with pytest.raises(NoxlibError):
            run(["no-such-program"], Setting(log=tmp_path / "log"))

    assert set(Path("/proc/self/fd").iterdir()) == before


def test_the_machine_shows_processes_as_this_test_expects() -> None:
    sleeper = subprocess.Popen(["sleep", "600"])
    assert not gone(sleeper.pid)
    sleeper.kill()
    assert eventually(lambda: gone(sleeper.pid))
    sleeper.wait()
