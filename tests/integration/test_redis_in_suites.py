"""Redis inside a suite: a database for each worker, emptied for each test."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plugin_suite import SESSION, Suite
from redis_client import URL, MakeRedis, ask

from noxlib.errors import ResourceError
from noxlib.pytest_plugin.redis import redis_database
from noxlib.pytest_plugin.workers import Room
from noxlib.resources.redis import DATABASES

WORKERS = """
import os

import pytest

from noxlib import resp

AT_IMPORT = os.environ["REDIS_URL"]

def ask(redis, *words):
    where = resp.Endpoint(host=redis.host, port=redis.port, password=redis.password, database=redis.database)
    with resp.Connection(where) as connection:
        return connection.call(*words)

@pytest.mark.parametrize("number", range(8))
def test_it(noxlib_redis, noxlib_leases, number):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    assert noxlib_redis.database == (int(worker[2:]) + 1 if worker else 0)
    assert AT_IMPORT == noxlib_redis.url == noxlib_leases["a/redis"].env["REDIS_URL"]
    assert ask(noxlib_redis, "DBSIZE") == 0
    assert ask(noxlib_redis, "SET", "key", str(number)) == "OK"
    assert ask(noxlib_redis, "GET", "key") == str(number)
"""


@pytest.mark.parametrize("private", [True, False], ids=["trust", "password"])
@pytest.mark.parametrize("workers", [(), ("-n", "3")], ids=["alone", "xdist"])
def test_each_worker_has_a_database_of_its_own_emptied_for_each_test(
    make_redis: MakeRedis, suite: Suite, private: bool, workers: tuple[str, ...]
) -> None:
    lease = make_redis(private_network=private, env=URL).start()
    ask(lease, "SET", "left", "by somebody", database=40)
    ended = suite.run("integration", WORKERS, *workers, leases=(lease,), env=lease.env)
    assert (ended.code, "8 passed" in ended.output) == (0, True), ended.output
    assert ask(lease, "DBSIZE", database=40) == 1
    used = [number for number in range(DATABASES) if ask(lease, "DBSIZE", database=number) == 1]
    assert set(used) <= ({1, 2, 3, 40} if workers else {0, 40})


def test_a_flush_empties_one_database_alone(make_redis: MakeRedis) -> None:
    server = make_redis(private_network=False)
    lease = server.start()
    values = {**lease.values, "database": "3"}
    found = redis_database(replace(SESSION, leases=(replace(lease, values=values),)))
    for number in (0, 3):
        ask(lease, "SET", "key", "value", database=number)
    found.flush()
    assert [ask(lease, "DBSIZE", database=number) for number in (0, 3)] == [1, 0]
    server.kill()
    with pytest.raises(ResourceError, match=f"redis at 127.0.0.1:{lease.address.port} doesn't answer"):
        found.flush()


def test_a_redis_that_doesnt_answer_is_an_error_of_the_test(make_redis: MakeRedis, suite: Suite) -> None:
    server = make_redis(env=URL)
    lease = server.start()
    server.kill()
    ended = suite.run("integration", WORKERS, "-k", "0", leases=(lease,), env=lease.env)
    assert f"redis at 127.0.0.1:{lease.address.port} doesn't answer" in ended.output


def test_a_worker_without_a_database_says_so(make_redis: MakeRedis, suite: Suite) -> None:
    lease = make_redis(env=URL).start()
    few = replace(lease, values={**lease.values, "databases": "2"})
    ended = suite.run("integration", WORKERS, "-n", "2", leases=(few,), env=lease.env)
    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert "a/redis has 2 databases, and gw1 would need number 2" in ended.output
    assert "Traceback" not in ended.output
    room = Room(replace(SESSION, leases=(few,)))
    room.pytest_xdist_setupnodes(["gw0"])
    with pytest.raises(pytest.UsageError, match="at most 1 workers"):
        room.pytest_xdist_setupnodes(["gw0", "gw1"])
