"""What tests ask of a Redis that they started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from noxlib import resp
from noxlib.model import Lease
from noxlib.resources.redis import RedisResource

MakeRedis = Callable[..., RedisResource]

URL = {"REDIS_URL": "redis://{host}:{port}/{database}"}


def client(lease: Lease, **how: Any) -> resp.Connection:
    given = {"port": lease.address.port, "password": lease.values["password"], **how}
    return resp.Connection(resp.Endpoint(host="127.0.0.1", **given))


def ask(lease: Lease, *words: str, **how: Any) -> resp.Reply:
    with client(lease, **how) as connection:
        return connection.call(*words)


def setting(lease: Lease, name: str) -> str:
    found = ask(lease, "CONFIG", "GET", name)
    assert isinstance(found, list)
    return str(found[1])
