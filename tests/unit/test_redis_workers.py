from __future__ import annotations

from dataclasses import replace

import pytest
from sample_records import session_plan

from noxlib.model import Address, Lease, SessionFile
from noxlib.pytest_plugin.redis import RedisDatabase, redis_database
from noxlib.pytest_plugin.workers import own_redis, redis_environment

LEASE = Lease(
    resource="a/redis",
    kind="redis",
    address=Address(port=6379),
    env={"REDIS_URL": "redis://127.0.0.1:6379/0", "BRACES": "{}"},
    templates={"REDIS_URL": "redis://{host}:{port}/{database}", "BRACES": "{{}}"},
    values={
        "host": "127.0.0.1",
        "port": "6379",
        "database": "0",
        "databases": "64",
        "password": "",
        "socket": "/box/redis.sock",
    },
)
SESSION = SessionFile(
    plan=session_plan("integration-a"),
    service_folder="/a",
    run_folder="/run",
    examples_folder="/examples",
    control="/control",
    token="",
    box="namespace",
    network="closed",
    leases=(LEASE, replace(LEASE, resource="b/redis", env={"B": "1"}, templates={"B": "{port}"})),
)


@pytest.mark.parametrize(("worker", "database"), [("gw0", 1), ("gw1", 2), ("gw62", 63)])
def test_a_worker_has_the_database_after_its_number(worker: str, database: int) -> None:
    assert redis_environment(SESSION, worker) == {
        "REDIS_URL": f"redis://127.0.0.1:6379/{database}",
        "BRACES": "{}",
    }
    found = own_redis(SESSION, worker)
    assert redis_database(found).database == database
    assert found.leases[0].env == redis_environment(SESSION, worker)
    assert found.leases[1] is SESSION.leases[1]


def test_the_session_itself_keeps_what_it_has() -> None:
    assert redis_environment(SESSION, "") == {}
    assert own_redis(SESSION, "") is SESSION
    assert redis_database(SESSION).database == 0


def test_a_worker_too_many_is_said() -> None:
    with pytest.raises(pytest.UsageError, match="has 64 databases, and gw63 would need number 64") as caught:
        redis_environment(SESSION, "gw63")
    assert "at most 63 workers (workers under [services.a.types.integration], or -n)" in str(caught.value)


def test_workers_share_the_database_of_the_services_own_process() -> None:
    process = Lease(resource="a/process", kind="process", address=Address(port=8000))
    found = replace(SESSION, leases=(*SESSION.leases, process))
    assert redis_environment(found, "gw3") == {}
    assert redis_database(own_redis(found, "gw3")).database == 0


def test_a_session_without_redis_sets_nothing_and_says_what_is_missing() -> None:
    bare = replace(SESSION, leases=())
    assert redis_environment(bare, "gw0") == {}
    with pytest.raises(pytest.fail.Exception, match=r"no Redis of a\n.*\[services\.a\.redis\]"):
        redis_database(bare)


def test_a_url_names_the_password_where_there_is_one() -> None:
    plain = RedisDatabase(host="127.0.0.1", port=1, database=2, socket="/s")
    assert plain.url == "redis://127.0.0.1:1/2"
    assert replace(plain, password="secret").url == "redis://:secret@127.0.0.1:1/2"
    assert "secret" not in repr(replace(plain, password="secret"))
