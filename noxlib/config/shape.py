"""The shape of services.toml: what pydantic checks, and what editors get as JSON Schema.

Every key may be missing, so that tables can be merged; a validated document holds the model's
values (seconds, ISO dates) under the keys that were given. Only noxlib.config imports pydantic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import Required, TypedDict

from noxlib.config import quantities as q

_strict = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
_open = with_config(ConfigDict(extra="allow", strict=True))


def _says(description: str, **limits: Any) -> Any:
    return Field(description=description, **limits)


Name = Annotated[str, AfterValidator(q.name), WithJsonSchema({"type": "string", "pattern": q.NAME})]
Text = Annotated[str, AfterValidator(q.text)]
Word = Annotated[str, AfterValidator(q.word)]
Line = Annotated[str, AfterValidator(q.printable)]
Folder = Annotated[str, AfterValidator(q.relative)]
Variable = Annotated[str, AfterValidator(q.variable)]
Version = Annotated[str, AfterValidator(q.version)]
Identifier = Annotated[str, AfterValidator(q.identifier)]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[float, Field(ge=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
Environment = dict[Variable, Text]
Duration = Annotated[
    float,
    BeforeValidator(q.seconds),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "pattern": q.DURATION,
            "minLength": 2,
            "exclusiveMinimum": 0,
            "maximum": q.LONGEST,
            "examples": ["250ms", "20s", "5m", "1h30m"],
        }
    ),
]
Day = Annotated[str, BeforeValidator(q.day), WithJsonSchema({"type": "string", "format": "date"})]
ServerSetting = Annotated[
    str, BeforeValidator(q.server_setting), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Workers = Annotated[
    str,
    BeforeValidator(q.workers),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^(auto|[0-9]+)$", "minimum": 0}),
]
Pythons = Annotated[
    list[Annotated[str, AfterValidator(q.python)]],
    _says('Versions, such as ["3.12"]; empty: the interpreter that runs nox', max_length=20),
]
VersionRange = Annotated[Version, _says('A version specifier, such as ">=14"')]
BinDir = Annotated[Line, _says("The folder that holds the server's programs")]
FixedPort = Annotated[Port, _says("A fixed port, for suites that hard-code one")]
Env = Annotated[Environment, _says("Environment variables")]
PassEnv = Annotated[list[Variable], _says("Variables of your own environment that tests may see")]
Templates = Annotated[Environment, _says("Environment variables for whoever uses it; {name} is filled in")]
Tools = Annotated[
    Literal["add", "strict"], _says("Test tools that the lock doesn't hold: add them, or make it an error")
]
TestType = Literal["unit", "property", "integration", "e2e", "stress", "race", "performance", "chaos"]


@_strict
class Platform(TypedDict, total=False):
    """What holds for every service."""

    name: Annotated[Name, _says("The platform's name in reports")]
    pythons: Pythons
    env: Env
    pass_env: PassEnv
    tools: Tools


@_strict
class Install(TypedDict, total=False):
    """How the service and its locked dependencies get into a virtualenv."""

    tool: Annotated[
        Literal["auto", "uv", "poetry", "pip"], _says("The installer; auto goes by the lock file")
    ]
    lock: Annotated[Line, _says("The lock file, relative to the service; found when absent")]
    editable: Annotated[bool, _says("Install the service editable")]
    package: Annotated[bool, _says("False: install dependencies only, and put the sources on the path")]
    extras: Annotated[list[Word], _says("Extras of the service")]
    groups: Annotated[list[Word], _says("Dependency groups")]
    constraints: Annotated[list[Line], _says("Constraint files, relative to the service")]
    tools: Tools


@_strict
class Coverage(TypedDict, total=False):
    """What is measured, and how much all types of the service must cover together."""

    fail_under: Annotated[Percent, _says("Percent that the combined data must reach")]
    branch: Annotated[bool, _says("Measure branches too")]
    omit: Annotated[list[Line], _says("Globs of files that don't count")]
    exclude_also: Annotated[
        list[Annotated[str, AfterValidator(q.pattern)]],
        _says("Regular expressions of lines that don't count"),
    ]


@_strict
class External(TypedDict, total=False):
    """Use a server that is there, such as CI's service container, where a variable names it."""

    variable: Required[Annotated[Variable, _says("The variable of nox's environment that holds its URL")]]
    allow: Required[
        Annotated[
            list[Annotated[str, AfterValidator(q.place)]],
            _says(
                'Where databases may be made and dropped: "host/database", "host:port/database"', min_length=1
            ),
        ]
    ]


@_strict
class Postgres(TypedDict, total=False):
    """A PostgreSQL server of the service's own."""

    version: VersionRange
    extensions: Annotated[list[Word], _says("Extensions that must be there before anything starts")]
    settings: Annotated[dict[Line, ServerSetting], _says("postgresql.conf; true and false become on and off")]
    migrate: Annotated[list[Text], _says("One command line that migrates the database")]
    seed: Annotated[list[Text], AfterValidator(q.seed), _says("Globs of *.sql files, or one command line")]
    init_sql: Annotated[list[Text], _says("SQL statements that run before the migration")]
    bin_dir: BinDir
    locale: Annotated[Line, _says("The locale of the cluster")]
    database: Annotated[Identifier, _says("The name of the database")]
    role: Annotated[Identifier, _says("The role that the service connects as")]
    auth: Annotated[
        Literal["auto", "trust", "password", "scram-sha-256"], _says("How the server authenticates")
    ]
    port: FixedPort
    via: Annotated[Literal["direct", "proxy"], _says("Connect directly, or through a proxy that can fail")]
    isolation: Annotated[Literal["clone", "reset"], _says("How tests get a fresh database")]
    keep: Annotated[Literal["never", "failed"], _says("Whether the databases of failed tests are kept")]
    env: Templates
    render: Annotated[
        dict[Variable, Line],
        _says("Variable that names a file = template of that file, in the service's folder"),
    ]
    external: Annotated[External, _says("A server that is there already, where a variable names it")]
    migrations: Annotated[
        list[Text], _says("Globs of all files that migrate and seed read; empty: all but tests and builds")
    ]


@_strict
class Redis(TypedDict, total=False):
    """A Redis or Valkey server of the service's own."""

    version: VersionRange
    bin_dir: BinDir
    auth: Annotated[
        Literal["auto", "trust", "password"], _says("Whether it asks for a password; auto: in a guarded box")
    ]
    port: FixedPort
    env: Templates


@_strict
class Ready(TypedDict, total=False):
    """How the process shows that it is ready: exactly one of http, tcp, log, command."""

    http: Annotated[str, AfterValidator(q.url_path), _says("A path that answers with a 2xx status")]
    tcp: Annotated[bool, _says("The port accepts connections; the default")]
    log: Annotated[
        str, AfterValidator(q.pattern), _says("A regular expression that a line of its output matches")
    ]
    command: Annotated[list[Text], _says("A command that ends with 0; templates allowed", min_length=1)]
    timeout: Annotated[Duration, _says("How long that may take")]


@_strict
class ProcessDefaults(TypedDict, total=False):
    """What every process has."""

    ready: Ready
    port: FixedPort
    cwd: Annotated[Folder, _says("The folder it runs in, relative to the service")]
    stop_timeout: Annotated[Duration, _says("From SIGTERM to SIGKILL")]
    env: Templates


@_strict
class Process(ProcessDefaults, total=False):
    """The service's own process."""

    command: Required[Annotated[list[Text], _says("The command line; {port} is filled in", min_length=1)]]


@_strict
class Suite(TypedDict, total=False):
    """How one test type is run."""

    enabled: Annotated[bool, _says("False: there is no such session")]
    timeout: Annotated[Duration, _says("The session's time limit")]
    paths: Annotated[list[Line], _says("Test files and folders, relative to cwd; empty: tests/<type>")]
    args: Annotated[list[Text], _says("More arguments for pytest; templates allowed")]
    command: Annotated[list[Text], _says("Another runner's command line; templates allowed")]
    cwd: Annotated[Folder, _says("The folder that the suite runs in, relative to the service")]
    plugins: Annotated[list[Word], _says("pytest plugins to load by name")]
    requirements: Annotated[list[Word], _says("Packages that this type needs beside the lock")]
    network: Annotated[
        Literal["closed", "open"], _says("open: for a suite that must install or record; the verdict says so")
    ]
    needs: Annotated[
        list[Literal["postgres", "redis", "process"]], _says("Resources, instead of the type's own choice")
    ]
    workers: Annotated[Workers, _says('xdist workers: "auto" or a number')]
    env: Annotated[Environment, _says("Environment variables of the tests and of the service's own process")]
    fail_under: Annotated[Percent, _says("Percent of coverage that this type must reach alone")]
    cache: Annotated[bool, _says("Reuse a pass while nothing changed")]


@_strict
class StressThresholds(TypedDict, total=False):
    """What a load run must reach."""

    p50: Annotated[Duration, _says("Median response time, at most")]
    p95: Annotated[Duration, _says("95th percentile, at most")]
    p99: Annotated[Duration, _says("99th percentile, at most")]
    max: Annotated[Duration, _says("Slowest response, at most")]
    error_ratio: Annotated[float, _says("Failed requests / all requests, at most", ge=0, le=1)]
    min_requests: Annotated[int, _says("Requests, at least", ge=1)]
    min_iterations: Annotated[int, _says("Iterations of noxlib_load, at least", ge=1)]
    requests_per_second: Annotated[Positive, _says("Requests a second, at least")]
    cpu_percent: Annotated[Positive, _says("CPU of the service, at most; 100 is one core")]
    memory_mb: Annotated[Positive, _says("Memory of the service, at most")]


@_strict
class Ceilings(TypedDict, total=False):
    """How long one round of a benchmark may take."""

    min: Duration
    median: Duration
    mean: Duration
    max: Duration


@_strict
class Stress(Suite, total=False):
    """How the load is made and judged."""

    users: Annotated[int, _says("Simulated users", ge=1, le=100_000)]
    spawn_rate: Annotated[Positive, _says("Users that start in a second; absent: all at once")]
    run_time: Annotated[Duration, _says("How long the load lasts")]
    locustfile: Annotated[Line, _says("The locust file, relative to cwd")]
    thresholds: StressThresholds


@_strict
class Performance(Suite, total=False):
    """How benchmarks are run and judged."""

    thresholds: Annotated[dict[Line, Ceilings], _says("Globs of benchmark names -> ceilings")]


@_strict
class Types(TypedDict, total=False):
    """One table per test type; a type without one runs with the defaults."""

    unit: Suite
    property: Suite
    integration: Suite
    e2e: Suite
    stress: Stress
    race: Suite
    performance: Performance
    chaos: Suite


@_strict
class Approval(TypedDict, total=False):
    """A skip or an expected failure that somebody answers for, until a day."""

    test: Required[Annotated[Line, _says("A pattern over node ids, relative to the service")]]
    kind: Required[Annotated[Literal["skip", "xfail", "capability"], _says("What is approved")]]
    issue: Required[Annotated[Line, _says("Where it is followed up")]]
    reason: Required[Annotated[Line, _says("Why it has to be")]]
    owner: Required[Annotated[Line, _says("Who answers for it")]]
    expires: Required[Annotated[Day, _says("The day from which it is void")]]
    types: Annotated[list[TestType], _says("Test types; empty: all")]


@_strict
class Service(TypedDict, total=False):
    """One service."""

    path: Required[Annotated[Line, _says("Its folder, relative to services.toml; may lie outside")]]
    source: Annotated[list[Line], _says("Folders whose coverage counts, relative to the service")]
    depends_on: Annotated[list[Text], _says("Services whose processes it needs")]
    pythons: Pythons
    env: Env
    pass_env: PassEnv
    install: Install
    coverage: Coverage
    postgres: dict[str, Postgres]  # "" is the plain one: see `faults.split_postgres`
    redis: Redis
    process: Process
    types: Types
    approvals: list[Approval]


@_strict
class Defaults(TypedDict, total=False):
    """What lies below each service's own tables."""

    coverage: Coverage
    install: Install
    types: Types


@_open
class Step(TypedDict, total=False):
    """One step of a scenario."""

    name: Required[Line]
    http: Annotated[Line, _says('A request, such as "POST /transfers"')]
    needs: Annotated[list[Line], _says("Steps that come before")]


@_open
class Scenario(TypedDict, total=False):
    """A walk through several services."""

    services: Annotated[list[Text], _says("The services that take part")]
    steps: list[Step]


@_strict
class Document(TypedDict, total=False):
    """services.toml of noxlib."""

    platform: Platform
    defaults: Defaults
    services: Required[Annotated[dict[str, Service], Field(min_length=1, max_length=500)]]
    scenarios: dict[str, Scenario]


@_strict
class BuiltIn(TypedDict):
    """defaults.toml of noxlib."""

    platform: Platform
    install: Install
    coverage: Coverage
    postgres: Postgres
    redis: Redis
    process: ProcessDefaults
    suite: Stress
    types: Types
