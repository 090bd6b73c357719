from __future__ import annotations

import pytest

from gateway.limits.plans import Plan
from gateway.settings import SettingsError, read_settings

NEEDED = {
    "DATABASE_URL": "postgresql+psycopg://gateway:hunter2@db:5432/gateway",
    "REDIS_URL": "redis://:hunter3@cache:6379/0",
    "CS1_URL": "http://cs1:8000",
    "PLANT_URL": "http://plant:8000",
}


def test_only_the_addresses_must_be_named() -> None:
    settings = read_settings(NEEDED)
    assert (settings.database_url.host, settings.cs1_url) == ("db", "http://cs1:8000")
    assert (settings.tenant, settings.pool_size, settings.workers) == ("default", 10, 2)
    assert (settings.upstream_timeout, settings.lease) == (1.0, 10.0)
    assert settings.default_plan == Plan(per_second=50, burst=100)


def test_everything_else_can_be() -> None:
    more = {
        "GATEWAY_TENANT": "works",
        "GATEWAY_POOL_SIZE": "3",
        "GATEWAY_WORKERS": "1",
        "GATEWAY_UPSTREAM_TIMEOUT": "0.5",
        "GATEWAY_LEASE": "2",
        "GATEWAY_RATE": "7",
        "GATEWAY_BURST": "8",
    }
    settings = read_settings({**NEEDED, **more})
    assert (settings.tenant, settings.pool_size, settings.workers) == ("works", 3, 1)
    assert (settings.upstream_timeout, settings.lease) == (0.5, 2.0)
    assert settings.default_plan == Plan(per_second=7, burst=8)


def test_settings_show_no_password() -> None:
    shown = repr(read_settings(NEEDED))
    assert "hunter" not in shown


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL: give it"),
        ({"DATABASE_URL": "postgresql://gateway:hunter2@db/gateway"}, "postgresql\\+psycopg"),
        ({"REDIS_URL": "hunter2"}, "REDIS_URL: must begin with redis"),
        ({"CS1_URL": ""}, "CS1_URL: must begin with http"),
        ({"PLANT_URL": "ftp://hunter2"}, "PLANT_URL"),
        ({"GATEWAY_WORKERS": "0"}, "GATEWAY_WORKERS"),
        ({"GATEWAY_POOL_SIZE": "ten"}, "GATEWAY_POOL_SIZE"),
        ({"GATEWAY_RATE": "100001"}, "GATEWAY_RATE: .* 100000 at most"),
        ({"GATEWAY_LEASE": "nan"}, "GATEWAY_LEASE"),
        ({"GATEWAY_TENANT": "Hunter-Works"}, "GATEWAY_TENANT: must be 1 to 63 of a-z, 0-9 and -"),
        ({"GATEWAY_TENANT": ""}, "GATEWAY_TENANT"),
        ({"GATEWAY_TENANT": "x" * 64}, "GATEWAY_TENANT"),
        ({"GATEWAY_TENANT": "works\n"}, "GATEWAY_TENANT"),
        ({"GATEWAY_UPSTREAM_TIMEOUT": "soon"}, "GATEWAY_UPSTREAM_TIMEOUT"),
    ],
)
def test_a_bad_setting_is_named_without_its_value(change: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault) as caught:
        read_settings({**NEEDED, **change})
    assert "hunter" not in str(caught.value)
