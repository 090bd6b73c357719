"""What launch does without starting a process; the rest is in tests/integration."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from noxlib.errors import NoxlibError, RecordError
from noxlib.launch import Completed, Setting, descendants, kill, restore_default_signals, run, start


def _completed(code: int = 3, output: str = "", *, timed_out: bool = False) -> Completed:
    return Completed(command=("make", "a b"), code=code, output=output, seconds=1.0, timed_out=timed_out)


def test_a_failed_command_is_described_so_that_it_can_be_pasted() -> None:
    text = _completed(output="one\ntwo\n").describe(Path("logs/make.log"))

    assert text == "`make 'a b'` ended with exit code 3\n    one\n    two\n  log: logs/make.log"


def test_only_the_last_lines_are_described() -> None:
    text = _completed(output="\n".join(map(str, range(100)))).describe(lines=2)

    assert text.splitlines()[1:] == ["    98", "    99"]


def test_a_command_without_output_and_log_is_described_in_one_line() -> None:
    assert _completed().describe() == "`make 'a b'` ended with exit code 3"


def test_a_command_that_a_signal_ended_names_it() -> None:
    assert _completed(-signal.SIGSEGV).describe() == "`make 'a b'` ended by SIGSEGV"
    assert _completed(-250).describe() == "`make 'a b'` ended by signal 250"


def test_a_command_that_ran_out_of_time_says_so() -> None:
    assert _completed(-9, timed_out=True).describe() == "`make 'a b'` ran out of time"


def test_a_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(NoxlibError, match=r"`no-such-program --now` could not be started: .*no-such-program"):
        run(["no-such-program", "--now"])


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoxlibError, match="missing"):
        start(["true"], Setting(cwd=tmp_path / "missing"))


def test_a_nul_in_an_argument_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(NoxlibError, match="null byte"):
        start(["true", "a\0b"], Setting(log=tmp_path / "log"))


def test_a_log_that_cannot_be_written_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    seen = tmp_path / "started"

    with pytest.raises(RecordError, match="can't be written") as caught:
        start(["touch", str(seen)], Setting(log=tmp_path / "file" / "x.log"))

    assert caught.value.remedy
    assert not seen.exists()


def test_processes_that_are_gone_are_no_error() -> None:
    gone = 2**22 + 1  # above the kernel's largest pid

    kill([gone])

    assert descendants(gone) == set()


def test_an_inherited_ignore_is_undone_and_a_handler_is_kept() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.default_int_handler)

        restore_default_signals()

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
