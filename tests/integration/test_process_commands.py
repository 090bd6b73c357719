"""Commands of service processes that cannot be started: what is wrong with them is said."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from python_processes import MakeProcess, failure

from noxlib.errors import RecordError
from noxlib.model import Ready


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
    make_process: MakeProcess, virtualenv: dict[str, str]
) -> None:
    text = failure(make_process(command=("gunicron", "x"), environment=virtualenv))
    said = "no program of that name, neither in the service's virtualenv nor on PATH"
    assert f"services.a.process.command: `gunicron`: {said}" in text
    assert 'to fix it: did you mean "gunicorn"? Otherwise add what brings it to the service\'s lock' in text


def test_a_ready_command_whose_program_is_missing_is_said_at_once(make_process: MakeProcess) -> None:
    begun = time.monotonic()
    text = failure(make_process(ready=Ready(command=("pg_isreadyy",), timeout=20)))
    assert time.monotonic() - begun < 5
    assert "services.a.process.ready.command: `pg_isreadyy`: no program of that name" in text


def test_a_missing_file_is_said_with_its_folder(make_process: MakeProcess, tmp_path: Path) -> None:
    assert f"`./serve`: there is no such file in {tmp_path}" in failure(make_process(command=("./serve",)))


def test_a_missing_folder_is_said_as_such(make_process: MakeProcess, tmp_path: Path) -> None:
    assert f"services.a.process.cwd: {tmp_path}/nowhere: no such folder" in failure(
        make_process(cwd="nowhere")
    )


def test_a_script_that_is_not_executable_is_said_to_be(make_process: MakeProcess, tmp_path: Path) -> None:
    script(tmp_path, "#!/bin/sh\n", mode=stat.S_IRUSR)
    text = failure(make_process(command=("./serve",)))
    assert "`./serve`: is not executable" in text
    assert "chmod +x" in text


def test_a_script_without_a_first_line_is_said_to_be_no_program(
    make_process: MakeProcess, tmp_path: Path
) -> None:
    script(tmp_path, "print(1)\n")
    assert "neither a program nor a script that begins with #!" in failure(make_process(command=("./serve",)))


def test_a_script_whose_interpreter_is_missing_is_said_to_be_so(
    make_process: MakeProcess, tmp_path: Path
) -> None:
    script(tmp_path, "#!/nowhere/python\n")
    assert "the interpreter that its first line names isn't there" in failure(
        make_process(command=("./serve",))
    )


def test_other_refusals_are_said_in_the_systems_words(make_process: MakeProcess, tmp_path: Path) -> None:
    script(tmp_path, "#!/bin/sh\n")
    text = failure(make_process(command=("./serve", "x" * 300_000)))
    assert "services.a.process.command: `./serve`: Argument list too long" in text
    assert "services.a.process.command: " in failure(make_process(command=("./serve", "a\0b")))


def test_a_log_that_cannot_be_written_is_not_the_commands_fault(
    make_process: MakeProcess, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="can't be written"):
        make_process(log=tmp_path / "file" / "a.log").start()
