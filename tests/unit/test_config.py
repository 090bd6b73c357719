"""services.toml as it should be: what each key becomes, defaults, the cache, what isn't built yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from noxlib import config
from noxlib.config import building, store
from noxlib.errors import ConfigError
from noxlib.model import (
    TEST_TYPES,
    Coverage,
    Install,
    Platform,
    Postgres,
    Process,
    Ready,
    Redis,
    Service,
    SuiteSettings,
    from_json,
    to_json,
)

FULL = """
[platform]
name = "acme"
pythons = ["3.12"]
env = { APP_ENV = "test" }
pass_env = ["CI"]

[defaults.coverage]
fail_under = 70
[defaults.install]
extras = ["api"]
[defaults.types.race]
enabled = false
[defaults.types.unit]
env = { A = "1", B = "1" }
args = ["-x"]

[services.identity]
path = "identity"
process = { command = ["serve"] }

[services.cs1]
path = "services/cs1"
source = ["src/cs1"]
depends_on = ["identity"]
pass_env = []
env = { APP_ENV = "cs1" }
[services.cs1.install]
tool = "auto"
[services.cs1.postgres]
version = ">=14"
extensions = ["pg_trgm"]
settings = { max_connections = 100, jit = false, work_mem = "8MB", seq_page_cost = 1.5, fsync = true }
migrate = ["alembic", "upgrade", "head"]
seed = ["tests/seeds/*.sql"]
init_sql = []
env = { DATABASE_URL = "postgresql+psycopg://{user}:{password}@{host}:{port}/{database}" }
[services.cs1.postgres.audit]
seed = ["python", "-m", "cs1.seed", "x.sql"]
[services.cs1.redis]
env = { REDIS_URL = "redis://{host}:{port}/{database}" }
[services.cs1.process]
command = ["uvicorn", "cs1.api:app", "--port", "{port}"]
ready = { http = "/health", timeout = "12s" }
[services.cs1.types.unit]
env = { B = "2" }
[services.cs1.types.integration]
timeout = "1h30m"
workers = 4
[services.cs1.types.stress]
users = 50
run_time = "20s"
thresholds = { p95 = "250ms", error_ratio = 0.0, min_requests = 500 }
[services.cs1.types.performance.thresholds]
"test_post_*" = { median = "250us", max = 1 }
[[services.cs1.approvals]]
test = "tests/e2e/test_live.py::*"
kind = "skip"
issue = "#165"
reason = "needs a live game"
owner = "data"
expires = 2027-03-01

[scenarios.checkout]
services = ["cs1", "identity"]
since = 2026-01-01
steps = [ { name = "pay", http = "POST /transfers", needs = [] } ]
"""

Load = Callable[..., Platform]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text from a folder that has the services' folders."""
    for folder in ("identity", "services/cs1/src/cs1", "a"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    def run(text: str, cache: Path | None = None) -> Platform:
        Path("services.toml").write_text(text, encoding="utf-8")
        return config.load(Path("services.toml"), cache)

    return run


def service(load: Load, text: str) -> Service:
    return load(f'[services.a]\npath = "a"\n{text}').services["a"]


def test_the_example_of_the_design_becomes_a_platform(load: Load) -> None:
    platform = load(FULL)
    cs1 = platform.services["cs1"]
    assert platform.name == "acme"
    assert list(platform.services) == ["identity", "cs1"]
    assert cs1.depends_on == ("identity",)
    assert cs1.pythons == ("3.12",)
    assert cs1.env == {"APP_ENV": "cs1"}
    assert cs1.pass_env == ("CI",)
    assert cs1.coverage.fail_under == 70.0
    assert cs1.install.extras == ("api",)
    assert cs1.approvals[0].expires == "2027-03-01"
    assert platform.scenarios["checkout"]["since"] == "2026-01-01"


def test_every_service_has_all_eight_types(load: Load) -> None:
    identity = load(FULL).services["identity"]
    assert tuple(identity.types) == TEST_TYPES
    assert not identity.types["race"].enabled
    assert identity.types["unit"].enabled


def test_a_service_can_enable_what_the_defaults_disable(load: Load) -> None:
    text = '[defaults.types.race]\nenabled = false\n[services.a]\npath = "a"\ntypes.race.enabled = true\n'
    assert load(text).services["a"].types["race"].enabled


def test_tables_merge_by_key_and_lists_as_a_whole(load: Load) -> None:
    unit = load(FULL).services["cs1"].types["unit"]
    assert unit.env == {"A": "1", "B": "2"}
    assert unit.args == ("-x",)


def test_durations_are_seconds_in_the_model(load: Load) -> None:
    cs1 = load(FULL).services["cs1"]
    assert cs1.types["integration"].timeout == 5400.0
    assert cs1.types["integration"].workers == "4"
    assert cs1.types["stress"].thresholds == {"p95": 0.25, "error_ratio": 0.0, "min_requests": 500}
    assert cs1.types["performance"].thresholds["test_post_*"] == {"median": pytest.approx(250e-6), "max": 1.0}


def test_postgres_settings_are_written_as_its_configuration_file_has_them(load: Load) -> None:
    assert load(FULL).services["cs1"].postgres[0].settings == {
        "max_connections": "100",
        "jit": "off",
        "work_mem": "8MB",
        "seq_page_cost": "1.5",
        "fsync": "on",
    }


def test_a_further_server_has_a_name_of_its_own_and_the_defaults(load: Load) -> None:
    plain, audit = load(FULL).services["cs1"].postgres
    assert (plain.name, audit.name) == ("postgres", "postgres.audit")
    assert plain.seed == ("tests/seeds/*.sql",)
    assert (audit.seed, audit.seed_command) == ((), ("python", "-m", "cs1.seed", "x.sql"))
    assert audit.version == ""


def test_sub_tables_alone_give_no_plain_server(load: Load) -> None:
    found = service(load, "[services.a.postgres.audit]\n[services.a.postgres.main]\n")
    assert [server.name for server in found.postgres] == ["postgres.audit", "postgres.main"]


def test_an_empty_postgres_table_is_a_server(load: Load) -> None:
    assert service(load, "postgres = {}").postgres == (Postgres(),)


def test_a_process_is_ready_when_its_port_accepts_unless_told(load: Load) -> None:
    assert service(load, 'process.command = ["x"]').process == Process(command=("x",), ready=Ready(tcp=True))
    quick = service(load, 'process = { command = ["x"], ready = { timeout = "1s" } }').process
    assert quick
    assert quick.ready == Ready(tcp=True, timeout=1.0)
    cs1 = load(FULL).services["cs1"].process
    assert cs1
    assert cs1.ready == Ready(http="/health", tcp=False, timeout=12.0)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ((), "."),
        (("src",), "src"),
        (("my_app", "src"), "my_app"),
        (("src/my_app", "my_app"), "src/my_app"),
        (("src/my-app", "src/my_app"), "src/my-app"),
    ],
)
def test_a_missing_source_is_found(tmp_path: Path, folders: tuple[str, ...], expected: str) -> None:
    for folder in folders:
        (tmp_path / "app" / folder).mkdir(parents=True)
    (tmp_path / "app").mkdir(exist_ok=True)
    (tmp_path / "services.toml").write_text('[services.my-app]\npath = "app"\n')
    assert config.load(tmp_path / "services.toml").services["my-app"].source == (expected,)


def test_platform_tools_lie_below_install_tools(load: Load) -> None:
    text = '[platform]\ntools = "strict"\n[services.a]\npath = "a"\n[services.identity]\npath = "identity"\n'
    platform = load(text + 'install.tools = "add"\n')
    assert platform.services["a"].install.tools == "strict"
    assert platform.services["identity"].install.tools == "add"


def test_a_byte_order_mark_is_no_part_of_the_text(load: Load) -> None:
    assert list(load('\ufeff[services.a]\npath = "a"\n').services) == ["a"]


def test_a_path_may_lie_outside_the_repository(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "inner" / "services.toml").write_text('[services.a]\npath = "../a"\n')
    assert config.load(tmp_path / "inner" / "services.toml").services["a"].path == "../a"


# --- defaults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "kind"),
    [("install", Install), ("coverage", Coverage), ("redis", Redis), ("suite", SuiteSettings)],
)
def test_defaults_toml_and_the_model_agree(table: str, kind: type[Any]) -> None:
    assert from_json(kind, building.built_in()[table]) == kind()


def test_defaults_toml_and_the_model_agree_on_servers_and_processes(load: Load) -> None:
    found = service(load, 'postgres = {}\nprocess.command = ["x"]\n')
    assert found.postgres == (Postgres(),)
    assert found.process == Process(command=("x",), ready=Ready(tcp=True))


@pytest.mark.parametrize(
    ("table", "kind"),
    [("install", Install), ("coverage", Coverage), ("redis", Redis), ("suite", SuiteSettings)],
)
def test_defaults_toml_names_every_key_that_has_a_default(table: str, kind: type[Any]) -> None:
    optional = {item.name for item in fields(kind) if item.default is None}
    required = {item.name for item in fields(kind)} - optional - {"thresholds"}
    assert set(building.built_in()[table]) == required


# --- cache ------------------------------------------------------------------------------------


def test_a_platform_comes_back_from_the_cache_as_it_was(load: Load, tmp_path: Path) -> None:
    first = load(FULL, tmp_path / "cache")
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    assert load(FULL, tmp_path / "cache") == first
    assert list((tmp_path / "cache").iterdir()) == kept


@pytest.mark.parametrize("damage", [b"", b"{}", b"abc\n{}", b"\xff\xfe"])
def test_a_corrupt_cache_file_is_ignored_and_written_again(load: Load, tmp_path: Path, damage: bytes) -> None:
    expected = load(FULL, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert load(FULL, tmp_path / "cache") == expected
    assert kept.read_bytes() == whole


def test_a_flipped_byte_in_the_cache_is_noticed(load: Load, tmp_path: Path) -> None:
    load(FULL, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b'"acme"', b'"evil"'))
    assert load(FULL, tmp_path / "cache").name == "acme"


def test_only_the_newest_cache_files_stay(load: Load, tmp_path: Path) -> None:
    for number in range(6):
        load(f'[platform]\nname = "p{number}"\n[services.a]\npath = "a"\n', tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == store.KEPT
    assert load('[platform]\nname = "p5"\n[services.a]\npath = "a"\n', tmp_path / "cache").name == "p5"


def test_a_cache_file_that_somebody_else_removes_does_no_harm(load: Load, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "platform-gone.json").symlink_to("nowhere")
    assert load(FULL, tmp_path / "cache").name == "acme"


def test_a_cache_that_cannot_be_written_does_no_harm(load: Load, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    assert load(FULL, tmp_path / "cache").name == "acme"


def test_folders_are_looked_at_on_a_cached_load_too(load: Load, tmp_path: Path) -> None:
    text = '[services.a]\npath = "a"\n'
    load(text, tmp_path / "cache")
    (tmp_path / "a").rmdir()
    with pytest.raises(ConfigError, match=r"^services\.toml:2: services\.a\.path: a: no such folder\."):
        load(text, tmp_path / "cache")


def test_a_source_that_appears_later_is_found_on_a_cached_load(load: Load, tmp_path: Path) -> None:
    text = '[services.a]\npath = "a"\n'
    assert load(text, tmp_path / "cache").services["a"].source == (".",)
    (tmp_path / "a" / "src").mkdir()
    assert load(text, tmp_path / "cache").services["a"].source == ("src",)


def test_a_platform_survives_json(load: Load) -> None:
    platform = load(FULL)
    assert from_json(Platform, json.loads(json.dumps(to_json(platform)))) == platform


# --- what isn't built yet -----------------------------------------------------------------------


def test_what_is_not_built_yet_is_named_by_its_key(load: Load) -> None:
    text = """
[services.a]
path = "a"
types.unit.cache = true
[services.a.postgres.x]
via = "proxy"
[scenarios.s]
"""
    assert {item.key: item.part for item in config.not_available(load(text))} == {
        "services.a.postgres.x.via": "postgres",
        "services.a.types.unit.cache": "unit",
        "scenarios.s": "scenarios",
    }


def test_a_plain_service_needs_nothing_that_is_missing(load: Load) -> None:
    text = '[services.a]\npath = "a"\npostgres = {}\nredis = {}\nprocess = { command = ["x"], ready.log = "up" }\n'
    assert config.not_available(load(text)) == []
