"""The values that travel through noxlib: frozen, JSON-able, without behaviour.

`Platform` comes out of services.toml, `SessionPlan` out of the plan, `Work` goes into a box,
`Lease`s come out of resources, `Record` is what remains of a run. Times are seconds, sizes bytes.
Standard library only: the pytest plugin imports this module in a service's environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

TEST_TYPES = ("unit", "property", "integration", "e2e", "stress", "race", "performance", "chaos")

T = TypeVar("T")


# --- services.toml --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """How a service and its locked dependencies get into a virtualenv."""

    tool: str = "auto"  # auto | uv | poetry | pip
    lock: str | None = None  # relative to the service; found when absent
    editable: bool = True
    package: bool = True  # False: dependencies only, the source folders go on the path
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    tools: str = "add"  # add | strict


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What is measured, and the share that all types of a service must reach together."""

    fail_under: float = 0.0  # percent, over the combined data of all types
    branch: bool = True
    omit: tuple[str, ...] = ()
    exclude_also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A server that isn't noxlib's, used where a variable names it."""

    variable: str
    allow: tuple[str, ...]  # host[:port]/database, as noxlib.dsn reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """One PostgreSQL server that the sessions of a service get."""

    name: str = "postgres"  # "postgres", or "postgres.<name>" for a further one
    version: str = ""  # a specifier such as ">=14"
    extensions: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    migrate: tuple[str, ...] = ()  # one command line
    seed: tuple[str, ...] = ()  # globs of *.sql files, or one command: see `seed_command`
    seed_command: tuple[str, ...] = ()
    init_sql: tuple[str, ...] = ()
    bin_dir: str | None = None
    locale: str = "C"
    database: str = "test"
    role: str = "postgres"
    auth: str = "auto"  # auto | trust | password | scram-sha-256
    port: int | None = None
    via: str = "direct"  # direct | proxy
    isolation: str = "clone"  # clone | reset
    keep: str = "never"  # never | failed
    env: dict[str, str] = field(default_factory=dict)
    render: dict[str, str] = field(default_factory=dict)  # variable -> template of a configuration file
    external: External | None = None
    migrations: tuple[str, ...] = ()  # globs of all that `migrate` and `seed` read; (): the whole service


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """One Redis (or Valkey) server that the sessions of a service get."""

    version: str = ""
    bin_dir: str | None = None
    auth: str = "auto"  # auto | trust | password
    port: int | None = None
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """How a service process shows that it is ready: an HTTP path, or its port accepts."""

    http: str | None = None
    tcp: bool = False
    log: str | None = None
    command: tuple[str, ...] = ()
    timeout: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The service's own process; `env` is given to whoever depends on it, and to the suite."""

    command: tuple[str, ...]
    ready: Ready = field(default_factory=Ready)
    port: int | None = None
    cwd: str = "."
    stop_timeout: float = 5.0
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSettings:
    """How one test type of one service is run. `fail_under` is the gate of this type alone."""

    enabled: bool = True
    timeout: float = 600.0
    paths: tuple[str, ...] = ()  # relative to cwd; ("tests/<type>",) when empty
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    cwd: str = "."  # relative to the service
    plugins: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    network: str = "closed"  # closed | open
    needs: tuple[str, ...] | None = None  # None: what the type needs (postgres, redis, process)
    workers: str = "auto"  # auto, or a number of xdist workers; "0" is none
    env: dict[str, str] = field(default_factory=dict)
    fail_under: float | None = None
    cache: bool = False
    users: int = 10
    spawn_rate: float | None = None  # users a second; None: all at once
    run_time: float = 10.0
    locustfile: str | None = None
    thresholds: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A skip or an expected failure that somebody answers for, until a day."""

    test: str  # an fnmatch pattern over node ids, relative to the service
    kind: str  # skip | xfail | capability
    issue: str
    reason: str
    owner: str
    expires: str  # ISO date; the approval is void from this day on
    types: tuple[str, ...] = ()  # empty: every type


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of the platform, its defaults filled in."""

    name: str
    path: str  # relative to services.toml's folder, or absolute; POSIX slashes
    source: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    install: Install = field(default_factory=Install)
    coverage: Coverage = field(default_factory=Coverage)
    postgres: tuple[Postgres, ...] = ()
    redis: Redis | None = None
    process: Process | None = None
    types: dict[str, SuiteSettings] = field(default_factory=dict)  # all eight
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The whole of services.toml."""

    name: str
    services: dict[str, Service]
    scenarios: dict[str, Any] = field(default_factory=dict)


# --- plan and box ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """One service x one type x one Python. Holds no absolute path."""

    name: str  # <type>-<service>, with -3.12 where a service lists several Pythons
    service: str
    type: str
    python: str  # "3.12", or "" for the interpreter that runs nox
    tags: tuple[str, ...]
    description: str
    exclusive: bool  # measures: nothing else may run on the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """Server binaries that fit, and where they come from."""

    bin_dir: str  # absolute
    version: str  # "15.18"
    origin: str  # bin_dir | NOXLIB_PG_BIN | NOXLIB_REDIS_BIN | system | wheel
    extensions: tuple[str, ...] = ()
    product: str = "PostgreSQL"  # as it calls itself: PostgreSQL, Redis, Valkey
    program: str = "postgres"  # the server's file in bin_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEnvironment:
    """A virtualenv that is complete: its stamp was written."""

    path: str  # absolute
    python: str  # absolute path of its interpreter
    version: str  # "3.12.1"
    key: str  # hash of every input
    tool: str  # uv | poetry | pip
    packages: dict[str, str]  # distribution -> version
    added: tuple[str, ...] = ()  # test tools that the lock didn't hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that a supervisor needs. Lives in a private file; holds absolute paths."""

    plan: SessionPlan
    platform: Platform
    root: str  # services.toml's folder
    run_folder: str
    state_folder: str  # .noxlib, for what is kept between runs
    box: str  # namespace | guarded
    environments: dict[str, BuiltEnvironment]  # by service
    postgres: dict[str, Binaries]  # by "<service>/<postgres name>"
    redis: dict[str, Binaries] = field(default_factory=dict)  # by "<service>/redis"
    migration_keys: dict[str, str] = field(default_factory=dict)  # as above; "" where nothing is migrated
    opened: dict[str, str] = field(default_factory=dict)  # as above -> the cluster that an earlier run kept
    external: dict[str, Any] = field(default_factory=dict)  # as above -> noxlib.dsn.ExternalServer
    tools: dict[str, str] = field(default_factory=dict)  # "locust" -> absolute path
    posargs: tuple[str, ...] = ()
    parallel: bool = False  # other sessions run beside this one
    color: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a resource listens: TCP, a Unix socket's folder, or both."""

    host: str = "127.0.0.1"
    port: int = 0
    socket_folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a resource hands out. Routed through a proxy, `address` is the proxy's."""

    resource: str  # "cs1/postgres", "cs1/process"
    kind: str  # postgres | redis | process | proxy
    address: Address
    env: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)  # of templates: host, port, user, ...
    templates: dict[str, str] = field(default_factory=dict)  # of redis: what `env` was made of
    secrets: tuple[str, ...] = ()
    via: str = "direct"  # direct | proxy
    upstream: Address | None = None  # the resource's own address when via is "proxy"
    keep: bool = False  # the databases of failed tests are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFile:
    """What the plugin reads from the file that NOXLIB_SESSION names (mode 0600)."""

    plan: SessionPlan
    service_folder: str
    run_folder: str
    examples_folder: str  # hypothesis' database, kept between runs
    control: str  # Unix socket of the supervisor
    token: str
    box: str
    network: str  # closed | open
    leases: tuple[Lease, ...] = ()
    settings: SuiteSettings = field(default_factory=SuiteSettings)


# --- evidence, verdicts, records ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One test's end, as the plugin wrote it to outcomes.json."""

    test: str  # node id, relative to the service
    outcome: str  # passed | failed | error | skipped | xfailed | xpassed
    seconds: float
    reason: str = ""
    opens: tuple[str, ...] = ()  # the command lines that open what is kept of it: its databases


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the supervisor found when it closed: evidence.json in the run folder."""

    suite_exit: int | None  # None: the suite never started
    suite_seconds: float
    ready_seconds: float  # from the supervisor's start until the suite's
    interrupted: str = ""  # "", or why the run was cut short: signal, timeout, lost nox
    error: str = ""  # a NoxlibError's text
    error_class: str = ""
    servers: tuple[str, ...] = ()  # "PostgreSQL 15.18 (system)"
    box: str = "namespace"
    network: str = "closed"
    deaths: tuple[str, ...] = ()  # service processes that ended by themselves, each with its last lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judgement of a gate. `details` are further lines: place, remedy; where it passed, warnings."""

    gate: str
    passed: bool
    summary: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All findings about one run."""

    passed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What remains of a run: record.json, and a row of the history. No absolute path."""

    run_id: str
    plan: SessionPlan
    verdict: Verdict
    evidence: Evidence
    fingerprint: str
    started: str  # ISO 8601, UTC
    seconds: float
    environment: str  # BuiltEnvironment.key
    python: str  # BuiltEnvironment.version
    counts: dict[str, int]  # outcome -> tests
    coverage: float | None = None
    partial: bool = False  # arguments behind `--` chose what ran: it says nothing of the whole suite


# --- JSON -----------------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """Return `value`, dataclasses and tuples turned into what `json.dumps` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], data: Any) -> T:
    """Build a `kind` from what `to_json` returned. Unknown keys are ignored, missing ones default.

    Raises TypeError when a required field is missing.
    """
    return _build(kind, data)  # type: ignore[no-any-return]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, data: Any) -> Any:
    if data is None or kind is Any:
        return data
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _build(next(item for item in get_args(kind) if item is not type(None)), data)
    if origin is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in data)
    if origin is dict:
        return {key: _build(get_args(kind)[1], item) for key, item in data.items()}
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{k: _build(hints[k], v) for k, v in data.items() if k in hints})  # type: ignore[operator]
    return data
