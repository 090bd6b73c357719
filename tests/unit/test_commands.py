from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from noxlib import box
from noxlib.commands import main
from noxlib.config import is_legal_name
from noxlib.errors import BinariesNotFoundError, BoxError, ConfigError, RecordError, UsageError
from noxlib.first_services import service_name
from noxlib.model import TEST_TYPES, Binaries

SERVICES = '[services.a]\npath = "a"\n[services.a.types.unit]\ncache = true\n'
TESTS = [f"tests/{kind}/test_a.py" for kind in TEST_TYPES]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "2-Shop"
    made.mkdir()
    monkeypatch.chdir(made)
    for name in [name for name in os.environ if name.startswith("NOXLIB_")]:
        monkeypatch.delenv(name)
    return made


def fill(folder: Path, files: Iterable[str]) -> None:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_check_says_what_is_not_available_yet_and_that_nothing_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder / "a", [*TESTS, "requirements.lock"])
    (folder / "services.toml").write_text(SERVICES)
    assert main(["check"]) == 0
    output = capsys.readouterr().out
    assert "services.a.types.unit.cache" in output
    assert output.endswith("services.toml: 1 service, no problem, but for what is not available yet\n")


def test_check_counts_services(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder / "a", [*TESTS, "requirements.lock"])
    (folder / "services.toml").write_text(SERVICES + '[services.b]\npath = "a"\n')
    assert main(["check"]) == 0
    assert "services.toml: 2 services, no problem" in capsys.readouterr().out


def test_a_mistake_is_printed_with_its_classs_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "services.toml").write_text(SERVICES)
    assert main(["check"]) == ConfigError.exit_code
    assert "services.toml:2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("install", "files", "expected"),
    [
        ("", (), 'services.toml:1: services.a: no lock file in "a". Looked for poetry.lock, uv.lock, '),
        (
            'lock = "x.lock"',
            (),
            'services.toml:6: services.a.install.lock: x.lock doesn\'t exist in "a". Run `uv pip compile ',
        ),
        (
            'lock = "uv.lock"\ntool = "pip"',
            ["uv.lock"],
            "services.toml:5: services.a.install: tool = 'pip' doesn't read uv.lock. Leave `tool` out",
        ),
        ("", ["requirements-a.txt", "requirements-b.txt"], "services.a: several files could be its lock: "),
    ],
)
def test_check_finds_a_lock_or_says_why_not(
    folder: Path, capsys: pytest.CaptureFixture[str], install: str, files: list[str], expected: str
) -> None:
    fill(folder / "a", [*TESTS, *files])
    (folder / "services.toml").write_text(f"{SERVICES}[services.a.install]\n{install}\n")
    assert main(["check"]) == ConfigError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_schema_is_json_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["services"]


def test_init_writes_a_platform_that_loads_and_overwrites_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, ["tests/unit/test_a.py", "uv.lock"])
    assert main(["init"]) == 0
    assert capsys.readouterr().out == "wrote services.toml and noxfile.py\nnext: `nox -l`\n"
    assert main(["check"]) == 0
    text = (folder / "services.toml").read_text()
    assert "race.enabled = false" in text
    assert "unit.enabled" not in text
    assert main(["init"]) == UsageError.exit_code
    assert "overwrites nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ([], ["no lock file in ", "there is no folder tests/unit in "]),
        (["requirements.txt"], ["there is no folder tests/unit in "]),
        (["tests/test_a.py", "requirements.txt"], []),
        (["test/deep/test_a.py", "poetry.lock"], []),
        (["tests/e2e/test_a.py", "tests/test_b.py", "uv.lock"], []),
        ([*TESTS, "src/shop/__init__.py"], ["no lock file in "]),
        ([*TESTS, "uv.lock"], []),
    ],
)
@pytest.mark.parametrize("name", ["shop", "My Ünicode Service", "日本", "unit", "a" * 60, "--"])
def test_what_init_writes_is_right_whatever_the_folder_and_it_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, files: list[str], missing: list[str]
) -> None:
    fill(tmp_path / name, files)
    (tmp_path / name).mkdir(exist_ok=True)
    os.chdir(tmp_path / name)  # the fixture goes back
    assert main(["init"]) == 0
    said = capsys.readouterr().out
    assert main(["check"]) == (ConfigError.exit_code if missing else 0)
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == len(missing)
    assert all(text in line for text, line in zip(missing, problems, strict=True))
    assert all(line in said for line in problems)


def test_init_names_the_file_that_it_wrote(folder: Path) -> None:
    assert main(["init", "sub/platform.toml"]) == 0
    assert 'generate_sessions("platform.toml")' in (folder / "sub/noxfile.py").read_text()
    assert "[services.sub]" in (folder / "sub/platform.toml").read_text()


@pytest.mark.parametrize(
    ("folder_name", "expected"),
    [
        ("shop", "shop"),
        ("My Ünicode Service", "my-unicode-service"),
        ("2-Shop", "service-2-shop"),
        ("", "service"),
        ("日本", "service"),
        ("docs", "service-docs"),
        ("a_b.c", "a_b-c"),
        ("x" * 50, "x" * 40),
        ("9" * 50, "service-" + "9" * 32),
    ],
)
def test_a_folders_name_becomes_the_nearest_legal_one(folder_name: str, expected: str) -> None:
    assert service_name(folder_name) == expected
    assert is_legal_name(expected)


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chek"])
    assert ended.value.code == UsageError.exit_code


def test_a_variable_with_a_value_that_means_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOXLIB_PG_SYSTEM", "maybe")
    monkeypatch.setenv("NOXLIB_BOXX", "guarded")
    assert main(["schema"]) == UsageError.exit_code
    assert capsys.readouterr().err.splitlines()[:2] == [
        "warning: NOXLIB_BOXX is set, and noxlib knows no such variable. Did you mean NOXLIB_BOX?",
        'NOXLIB_PG_SYSTEM=maybe: unknown value, must be "on" or "off"',
    ]


# --- doctor -------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for what doctor would start processes for."""

    def no_redis(*_: object) -> Binaries:
        raise BinariesNotFoundError("no Redis or Valkey fits", remedy="install one")

    found = Binaries(bin_dir="/pg", version="15.18", origin="system", extensions=("pg_trgm",))
    monkeypatch.setattr(box, "_refusal", lambda: "")
    monkeypatch.setattr("noxlib.resources.binaries.find_binaries", lambda *_: found)
    monkeypatch.setattr("noxlib.resources.redis_binaries.find_redis", no_redis)
    monkeypatch.setenv("NOXLIB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("machine")
def test_doctor_says_each_thing_and_goes_on_without_redis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"cache       {tmp_path}/cache" in lines
    assert "box         namespace" in lines
    assert "PostgreSQL  15.18 (system, 1 extensions)" in lines
    assert "Redis       no Redis or Valkey fits" in lines


@pytest.mark.usefixtures("machine")
def test_doctor_diagnoses_what_the_environment_says_instead_of_dying_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOXLIB_BOX", "foo")
    monkeypatch.setenv("NOXLIB_TMPFS", "OFF")
    assert main(["doctor"]) == UsageError.exit_code
    said = capsys.readouterr()
    assert 'NOXLIB_BOX=foo: unknown box, must be "guarded" or "namespace"' in said.out
    assert "NOXLIB_TMPFS=OFF" in said.out
    assert "PostgreSQL  15.18" in said.out
    assert "git  " in said.out
    assert "keep sessions from running: usage, box" in said.err
    monkeypatch.delenv("NOXLIB_TMPFS")
    monkeypatch.setattr("noxlib.commands.variables.check", lambda *_: None)
    assert main(["doctor"]) == BoxError.exit_code


@pytest.mark.usefixtures("machine")
def test_doctor_says_that_the_cache_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NOXLIB_CACHE", str(tmp_path / "file" / "x"))
    assert main(["doctor"]) == RecordError.exit_code
    said = capsys.readouterr().out
    assert f"cache       {tmp_path}/file/x" in said
    assert "NOXLIB_CACHE" in said
    assert "PostgreSQL  15.18" in said
