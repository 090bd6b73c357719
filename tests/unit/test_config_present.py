"""What sessions will look for is said before one runs: all of it by `check`, its own by a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from noxlib import config
from noxlib.errors import ConfigError
from noxlib.model import TEST_TYPES
from noxlib.plan import sessions, standing

TOP = '[services.a]\npath = "a"\n'
SERVICES = Path("services.toml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in TEST_TYPES:
        (tmp_path / "a/tests" / kind).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(act: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        act()
    return [line.removeprefix("services.toml:") for line in str(caught.value).splitlines()]


def inspected(text: str) -> list[str]:
    SERVICES.write_text(text)
    return lines(lambda: config.inspect(SERVICES))


CASES = [
    (
        'types.unit.cwd = "nowhere"',
        "unit-a",
        '3: services.a.types.unit.cwd: nowhere: no such folder in "a". Give a folder relative to the service\'s',
    ),
    (
        'types.unit.paths = ["tests/unti"]',
        "unit-a",
        (
            '3: services.a.types.unit.paths[0]: tests/unti: no such file or folder in "a". Did you mean "tests/unit"? '
            "Give test files and folders, relative to cwd"
        ),
    ),
    (
        'types.unit = { cwd = "tests", paths = ["unit", "unti::test_x"] }',
        "unit-a",
        (
            '3: services.a.types.unit.paths[1]: unti::test_x: no such file or folder in "a/tests". '
            'Did you mean "unit"? Give test files and folders, relative to cwd'
        ),
    ),
    (
        'types.unit.cwd = "tests"',
        "unit-a",
        (
            '3: services.a.types.unit: there is no folder tests/unit in "a/tests". Write a test in it, '
            "name the tests in `paths`, or set enabled = false"
        ),
    ),
    (
        'types.stress.locustfile = "load.py"',
        "stress-a",
        '3: services.a.types.stress.locustfile: load.py: no such file in "a". Give the locust file, relative to cwd',
    ),
    (
        'postgres.seed = ["seeds/*.sql"]',
        "integration-a",
        (
            '3: services.a.postgres.seed[0]: "seeds/*.sql" matches no file in the service\'s folder. '
            "Mend the pattern, or remove it"
        ),
    ),
    (
        'postgres.audit.migrations = ["/abs/*"]',
        "db-a",
        (
            '3: services.a.postgres.audit.migrations[0]: "/abs/*" matches no file in the service\'s folder. '
            "Mend the pattern, or remove it"
        ),
    ),
    (
        'postgres.render.CONFIG = "config.in"',
        "race-a",
        "3: services.a.postgres.render.CONFIG: config.in: no such file in the service's folder",
    ),
    (
        'postgres.bin_dir = "/nowhere"',
        "chaos-a",
        (
            "3: services.a.postgres.bin_dir: /nowhere: no such folder. Give the folder of the server's programs, "
            "or remove the key"
        ),
    ),
    (
        'redis.bin_dir = "/nowhere"',
        "e2e-a",
        (
            "3: services.a.redis.bin_dir: /nowhere: no such folder. Give the folder of the server's programs, "
            "or remove the key"
        ),
    ),
    (
        'process = { command = ["x"], cwd = "nowhere" }',
        "up-a",
        '3: services.a.process.cwd: nowhere: no such folder in "a". Give a folder relative to the service\'s',
    ),
    (
        'install.constraints = ["c.txt"]',
        "unit-a",
        (
            '3: services.a.install.constraints[0]: c.txt: no such file in "a". '
            "Give files relative to the service's folder"
        ),
    ),
]


@pytest.mark.parametrize(("key", "session", "expected"), CASES, ids=lambda value: value[:30])
def test_what_is_missing_is_said_by_check_and_by_the_session_that_needs_it(
    key: str, session: str, expected: str
) -> None:
    assert inspected(TOP + key) == [expected]
    platform = config.load(SERVICES)
    plans = {each.name: each for each in (*sessions(platform), *standing(platform))}
    assert lines(lambda: config.refuse_absent(SERVICES, platform, plans[session])) == [expected]


@pytest.mark.parametrize("key", [case[0] for case in CASES if "install" not in case[0]])
def test_a_session_that_needs_none_of_it_runs(key: str) -> None:
    SERVICES.write_text(TOP + key)
    platform = config.load(SERVICES)
    plans = {each.type: each for each in sessions(platform)}
    config.refuse_absent(SERVICES, platform, plans["property"])


def test_what_is_there_is_no_problem(folder: Path) -> None:
    for name in ("load.py", "seeds/1.sql", "c.txt", "tests/x/test_y.py", "src/config.in"):
        (folder / "a" / name).parent.mkdir(exist_ok=True)
        (folder / "a" / name).touch()
    keys = [
        'types.unit = { cwd = "tests", paths = ["x/test_y.py::test_z", "{root}/a"] }',
        'types.race = { command = ["make", "race"], cwd = "src" }',
        'types.stress = { cwd = ".", locustfile = "load.py" }',
        'install.constraints = ["c.txt"]',
        f'postgres = {{ seed = ["seeds/*.sql"], bin_dir = "{folder}", render.CONFIG = "src/config.in" }}',
        'redis.bin_dir = "~"',
        'process = { command = ["x"], cwd = "src" }',
    ]
    SERVICES.write_text(TOP + "\n".join(keys))
    assert config.inspect(SERVICES).services["a"].source == ("src",)


def test_a_locust_file_in_its_usual_place_needs_no_folder_of_tests(folder: Path) -> None:
    (folder / "a/tests/stress/locustfile.py").touch()
    (folder / "a/tests/e2e").rmdir()
    SERVICES.write_text(TOP + "types.e2e.enabled = false")
    config.inspect(SERVICES)


def test_arguments_behind_the_dashes_may_name_the_tests(folder: Path) -> None:
    (folder / "a/tests/unit").rmdir()
    SERVICES.write_text(TOP)
    platform = config.load(SERVICES)
    plan = sessions(platform)[0]
    config.refuse_absent(SERVICES, platform, plan, posargs=True)
    with pytest.raises(ConfigError, match="there is no folder tests/unit"):
        config.refuse_absent(SERVICES, platform, plan)


def test_types_without_tests_are_one_line(folder: Path) -> None:
    for kind in ("unit", "race"):
        (folder / "a/tests" / kind).rmdir()
    (line,) = inspected(TOP + 'types.unit.env = { A = "1" }')
    assert line == (
        '3: services.a.types: there is no folder tests/<type> in "a" for unit, race. '
        "Write tests in them, name the tests in `paths`, or set enabled = false"
    )


def test_a_session_looks_at_what_its_dependencies_name(folder: Path) -> None:
    (folder / "b/tests/e2e").mkdir(parents=True)
    text = TOP + 'process = { command = ["x"], cwd = "no" }\n[services.b]\npath = "b"\ndepends_on = ["a"]\n'
    SERVICES.write_text(text + 'process.command = ["y"]\n')
    platform = config.load(SERVICES)
    (plan,) = (each for each in sessions(platform) if each.name == "e2e-b")
    (line,) = lines(lambda: config.refuse_absent(SERVICES, platform, plan))
    assert line.startswith("3: services.a.process.cwd: no: no such folder")


def test_an_inherited_value_is_shown_where_it_was_written() -> None:
    text = '[defaults.types.unit]\npaths = ["tests", "x"]\n[services.a]\npath = "a"\n'
    assert inspected(text)[0].startswith("2: defaults.types.unit.paths[1]: x: no such file or folder in")


def test_problems_of_every_kind_come_at_once(folder: Path) -> None:
    (folder / "c").mkdir()
    text = """
[services.a]
path = "a"
source = ["scr"]
[services.a.postgres]
versio = ">=14"
seed = ["x.sql"]
env = { A = "{usr}" }
[services.a.process]
ready = { http = "/h", tcp = true, timeout = "x" }
env = { B = "{foo}" }
[services.b]
depends_on = ["z"]
postgres.env = { A = "{usr}" }
[services.c]
path = "no"
"""
    SERVICES.write_text(text)

    def more(platform: object) -> list[tuple[list[str | int], str]]:
        assert list(getattr(platform, "services", ())) == ["a"]  # the others have no folder to look into
        return [(["services", "a"], "no lock")]

    found = lines(lambda: config.inspect(SERVICES, more))
    assert [line.split(": ")[1] for line in found] == [
        "services.a",
        "services.a.source[0]",
        "services.a.postgres.versio",
        "services.a.postgres.seed[0]",
        "services.a.postgres.env.A",
        "services.a.process.command",
        "services.a.process.ready",
        "services.a.process.ready.timeout",
        "services.a.process.env.B",
        "services.b.path",
        "services.b.depends_on[0]",
        "services.b.postgres.env.A",
        "services.c.path",
    ]


def test_a_folder_beside_services_toml_does_not_read_as_the_one_above(folder: Path) -> None:
    (folder / "tests/unit").mkdir(parents=True)
    (line,) = [each for each in inspected('[services.a]\npath = "."\nsource = ["scr"]') if "scr" in each]
    assert line.endswith('scr: no such folder in ".". Give folders relative to the service\'s')
